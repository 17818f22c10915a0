"""Adaptive instance normalisation: the mean and spread of each channel of each frame, from the source."""

from __future__ import annotations

from torch import Tensor

_EPS = 1e-5


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W); the result is not clamped."""
    mean, spread = _statistics(content)
    wanted_mean, wanted_spread = _statistics(style)
    return (content - mean).mul_(wanted_spread / spread).add_(wanted_mean)


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    variance = images.var(dim=(2, 3), keepdim=True, correction=min(1, images[0, 0].numel() - 1))
    return images.mean(dim=(2, 3), keepdim=True), (variance + _EPS).sqrt()
