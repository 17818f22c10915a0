"""A rendered scene with the statistics of a photograph: 1/f texture, edges, gradients and colour."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def scene(height: int, width: int, seed: int = 0) -> Tensor:
    """A picture (3, height, width) in 0…1, as sharp as a camera's: rendered at twice the size and averaged."""
    return F.avg_pool2d(_render(2 * height, 2 * width, seed), 2)


def _render(height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft2(torch.randn(3, height, width, generator=generator))
    fy, fx = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    texture = torch.fft.irfft2(spectrum / (0.01 + fy.hypot(fx)) ** 1.5, s=(height, width))
    grey = texture.mean(0, keepdim=True)
    picture = 0.45 + 0.12 * (grey + 0.15 * texture) / grey.std()
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    for _ in range(12):
        cy, cx, radius, angle = torch.rand(4, generator=generator).tolist()
        colour = torch.rand(3, 1, 1, generator=generator)
        inside = ((y - cy) * (1 + angle) + (x - cx) * (1 - angle)).abs() + (x - cx).abs() < 0.05 + 0.2 * radius
        picture = torch.where(inside, 0.6 * picture + 0.4 * (0.7 * colour.mean() + 0.3 * colour), picture)
    return picture.clamp(0, 1)


def upscaled(picture: Tensor, factor: int) -> Tensor:
    """(3, H, W) enlarged bicubically, as the pipeline does before it encodes."""
    size = (picture.shape[1] * factor, picture.shape[2] * factor)
    return F.interpolate(picture[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of pictures in 0…1, in dB."""
    return float(-10 * torch.log10((a.double() - b.double()).square().mean()))
