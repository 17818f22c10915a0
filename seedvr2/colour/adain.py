"""AdaIN colour correction: each channel of each frame takes the source's mean and spread (engine.md, 4.7)."""

from __future__ import annotations

from torch import Tensor

# Added to the variance, so that a flat frame is shifted and not divided by zero.
_EPSILON = 1e-5


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result may lie outside."""
    own_mean, own_spread = _statistics(content)
    mean, spread = _statistics(style)
    gain = spread / own_spread
    # content · gain + (mean − own mean · gain): one full-size tensor.
    return (content * gain).add_(mean - own_mean * gain)


def _statistics(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (T, 3, 1, 1) of every channel of every frame."""
    pixels = frames.shape[2] * frames.shape[3]
    # The unbiased variance of a single pixel would be 0/0.
    variance = frames.var(dim=(2, 3), correction=min(1, pixels - 1), keepdim=True)
    return frames.mean(dim=(2, 3), keepdim=True), (variance + _EPSILON).sqrt()
