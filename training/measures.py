"""How near a picture is to the original: PSNR, SSIM, GMSD, and for clips the error of what changes in time.

All take (T, 3, H, W) in 0…1 and give the mean over frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio over RGB in dB, frame by frame."""
    error = (a.double() - b.double()).square().mean((1, 2, 3)).clamp(min=1e-10)
    return float((-10 * torch.log10(error)).mean())


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity of the luma with an 11-pixel Gaussian window of deviation 1.5 (Wang et al., 2004)."""
    a, b = _luma(a), _luma(b)
    offsets = torch.arange(11, dtype=torch.float64) - 5
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    line = line / line.sum()

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((likeness / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def gmsd(a: Tensor, b: Tensor) -> float:
    """Gradient magnitude similarity deviation (Xue et al., 2014): 0 is equal; blur and ringing both raise it."""
    prewitt = torch.tensor([[1.0, 0.0, -1.0]] * 3, dtype=torch.float64) / 3
    kernels = torch.stack((prewitt, prewitt.T))[:, None]

    def magnitude(x: Tensor) -> Tensor:
        return F.conv2d(F.avg_pool2d(_luma(x) * 255, 2), kernels).square().sum(1).sqrt()

    ga, gb = magnitude(a), magnitude(b)
    similarity = (2 * ga * gb + 170) / (ga**2 + gb**2 + 170)
    return float(similarity.flatten(1).std(1, correction=0).mean())


def sharpness(a: Tensor, b: Tensor) -> float:
    """Mean gradient of the luma along the edges of `b`, as a share of that of `b`: 1 is as sharp, more is sharper.

    Edges are the tenth of the pixels of each frame where the gradient of `b` is strongest.
    """
    own, wanted = (torch.stack(torch.gradient(_luma(x)[:, 0], dim=(1, 2))).square().sum(0).sqrt() for x in (a, b))
    edges = wanted >= wanted.flatten(1).quantile(0.9, dim=1).view(-1, 1, 1)
    return float(own[edges].sum() / wanted[edges].sum())


def flicker(a: Tensor, b: Tensor) -> float:
    """Mean error of the difference between neighbouring frames, in levels of 255: what changes that should not."""
    return float((a.diff(dim=0) - b.diff(dim=0)).abs().mean() * 255)


def _luma(x: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(1, 3, 1, 1)
    return (x.double() * weights).sum(1, keepdim=True)
