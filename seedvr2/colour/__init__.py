"""Carrying the source's colours over to the restored frames (spec: engine.md, section 4.7).

Diffusion drifts in colour and saturation; each method takes fine detail from the result and colour from the source.
"""

from __future__ import annotations

from torch import Tensor

from seedvr2.colour import adain, adaptive, hsv, lab, wavelet
from seedvr2.errors import OptionError
from seedvr2.options import COLOR_CORRECTIONS

_METHODS = {
    "lab": lab.correct,
    "wavelet": wavelet.correct,
    "wavelet_adaptive": adaptive.correct,
    "hsv": hsv.correct,
    "adain": adain.correct,
}


def correct(method: str, content: Tensor, style: Tensor) -> Tensor:
    """Give `content` the colours of `style`.

    Args:
        method: one of `options.COLOR_CORRECTIONS`.
        content: the restored frames, (T, 3, H, W) float32, about −1…1.
        style: the resized source, of the same shape, in −1…1.

    Returns:
        A new tensor of that shape; `adain` and `none` may leave −1…1.

    Raises:
        OptionError: there is no such method.
    """
    if method == "none":
        return content.clone()
    if method not in _METHODS:
        raise OptionError("color_correction", f"color_correction takes {', '.join(COLOR_CORRECTIONS)}, not {method!r}.")
    return _METHODS[method](content, style)
