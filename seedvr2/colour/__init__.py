"""Colour correction: the result takes over the source's colours (spec: engine.md, section 4.7).

A network that invents detail drifts in colour; each method here puts the drift right by the resized source.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seedvr2.colour import adain, adaptive, hsv, lab, wavelet
from seedvr2.colour.frames import Frames
from seedvr2.errors import OptionError
from seedvr2.options import COLOR_CORRECTIONS

_METHODS: dict[str, Callable[[Tensor, Frames], Tensor]] = {
    "lab": lab.correct,
    "wavelet": wavelet.correct,
    "wavelet_adaptive": adaptive.correct,
    "hsv": hsv.correct,
    "adain": adain.correct,
}
# Those that look at one frame at a time: a clip may be given to them in pieces, and the result is the same.
FRAME_BY_FRAME = frozenset({"none", "wavelet", "adain"})


@torch.no_grad()
def correct(method: str, content: Tensor, style: Frames) -> Tensor:
    """Give `content` the colours of `style`.

    Args:
        method: one of `options.COLOR_CORRECTIONS`. `lab` and `hsv` match the distribution of all frames together,
            `adain` that of each frame, `wavelet` every neighbourhood; `wavelet_adaptive` is `wavelet`, with `hsv`
            where that is too saturated.
        content: what the networks decoded, (T, 3, H, W), about −1…1.
        style: the resized source, of the same shape, in −1…1; each frame is asked for twice at most.

    Returns:
        A new tensor (T, 3, H, W) in float32; only `adain` and `none` may leave −1…1.

    Raises:
        OptionError: there is no such method.
        ValueError: the shapes differ.
    """
    if method not in COLOR_CORRECTIONS:
        raise OptionError("color_correction", f"color_correction takes {', '.join(COLOR_CORRECTIONS)}, not {method!r}.")
    if tuple(content.shape) != tuple(style.shape):
        raise ValueError(f"Content {tuple(content.shape)} and style {tuple(style.shape)} must have one shape.")
    if method == "none":
        return content.to(torch.float32, copy=True)
    return _METHODS[method](content.float(), style.float() if isinstance(style, Tensor) else style)
