"""Wavelet colour correction: fine detail from the result, everything coarser from the source (engine.md, 4.7).

Detail and coarse add up to the picture, so taking the coarse part from the source is the same as adding the blurred
difference: content + B(style − content), one series of blurs instead of two. B is a series along the rows and a series
along the columns, whose order does not matter, so the picture goes through memory twice and not once for each blur.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour.bands import bands
from seedvr2.colour.frames import Frames

_LEVELS = 5
_ROWS, _COLUMNS = 1, 2  # the dimensions of a frame


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result is clamped to that."""
    result = torch.empty_like(content)
    # Frame by frame: the temporaries are then those of one frame.
    for index, own in enumerate(content):
        correct_frame(own, style[index], out=result[index])
    return result


def correct_frame(own: Tensor, other: Tensor, out: Tensor) -> None:
    """The same for one frame (3, H, W), into `out`, which is none of the two."""
    spacings = _spacings(own)
    for rows in bands(own, _ROWS):
        out[:, rows] = _blurred(other[:, rows] - own[:, rows], _COLUMNS, spacings)
    for columns in bands(own, _COLUMNS):
        difference = _blurred(out[..., columns], _ROWS, spacings)
        torch.add(own[..., columns], difference, out=out[..., columns]).clamp_(-1, 1)


def _spacings(image: Tensor) -> list[int]:
    """How far apart the taps of the blurs lie, in pixels: an eighth of the shorter edge at the most."""
    limit = max(min(image.shape[1:]) // 8, 1)
    return [min(2**level, limit) for level in range(_LEVELS)]


def _blurred(image: Tensor, dim: int, spacings: list[int]) -> Tensor:
    """(C, H, W) after blurs of ¼, ½, ¼ along `dim`, one for each spacing of the taps.

    Each is two sums of neighbours, (x + y) + (y + z). The border repeats the outermost pixels.
    """
    size, margin = image.shape[dim], max(spacings)
    shape = list(image.shape)
    shape[dim] += 2 * margin
    padded, sums = image.new_empty(shape), image.new_empty(shape)
    blurred = padded.narrow(dim, margin, size)
    blurred.copy_(image)
    for spacing in spacings:
        padded.narrow(dim, margin - spacing, spacing).copy_(blurred.narrow(dim, 0, 1))
        padded.narrow(dim, margin + size, spacing).copy_(blurred.narrow(dim, size - 1, 1))
        left = padded.narrow(dim, margin - spacing, size + spacing)
        pairs = sums.narrow(dim, 0, size + spacing)
        torch.add(left, padded.narrow(dim, margin, size + spacing), out=pairs)
        torch.add(pairs.narrow(dim, 0, size), pairs.narrow(dim, spacing, size), out=blurred)
    return blurred.mul_(0.25 ** len(spacings))
