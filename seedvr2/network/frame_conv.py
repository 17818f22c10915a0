"""Convolutions over windows of frames: cuDNN's on a GPU, fewer products on a processor.

A processor is bound by its products, so three taps are filtered by Winograd's way there: along time where a window
gives two or four frames, along rows where it gives one. A GPU has libraries of its own for that, and less memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.network.stored import Stored
from seedvr2.network.winograd import BIAS_POINT, TAPS, filtering
from seedvr2.places import on_processor

# Of the frames of one piece of work: what a processor's caches hold, more or less. Larger pieces gain nothing.
_BAND_BYTES = 16 << 20
# Narrower convolutions have too few products to be worth the sums before and after.
_NARROW = 64
_NARROW_ROWS = 96
_ROWS = 4

Form = Callable[[Tensor], Tensor]


class Made(Protocol):
    """A weight that is made of others when it is asked for."""

    shape: torch.Size

    def expand(self, dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> Tensor:
        """The numbers."""


Weight = Stored | Made


class Kernel:
    """A weight (outputs, inputs, time, height, width) in the forms in which it is used, each made once.

    A form is kept as long as the weight is the same one and the same type is asked for.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[Weight, Tensor]] = {}

    def form(self, name: str, weight: Weight, like: Tensor, make: Form) -> Tensor:
        """`make` of the weight, which may compute in float32, in the type and on the device of `like`."""
        if isinstance(weight, Tensor) and weight.requires_grad:
            return make(weight).to(like.dtype)
        source, made = self._made.get(name, (None, None))
        if made is None or source is not weight or made.dtype != like.dtype or made.device != like.device:
            made = make(_plain(weight, like.device)).to(like.dtype)
            self._made[name] = (weight, made)
        return made

    def clear(self) -> None:
        """Forget all forms, which are on the device."""
        self._made.clear()


def _plain(weight: Weight, device: torch.device) -> Tensor:
    return weight.to(device) if isinstance(weight, Tensor) else weight.expand(device=device)


def one_frame(window: Tensor, weight: Weight, kernel: Kernel, bias: Tensor, stride: int, columns: int) -> Tensor:
    """A frame that stands in all the places that a kernel looks at in time: its taps are summed, exactly.

    Args:
        window: (1, C, H + 2, W), the rows padded; channels last in memory, as everything here.
        weight: (outputs, C, time, 3, 3). bias: (outputs,) in the type of `window`.
        stride: in height and width. columns: zeros to add left and right.

    Returns:
        (1, outputs, H', W').
    """
    height = window.shape[2] - TAPS + 1
    wide = min(weight.shape[:2]) >= _NARROW_ROWS and weight.shape[3] == TAPS
    if _by_products(window) and stride == 1 and wide and height >= _ROWS:
        factors = kernel.form("rows", weight, window, partial(_row_factors, outputs=_ROWS))
        return _along_rows(window, factors, bias, columns)
    summed = kernel.form("first", weight, window, _summed)
    return F.conv2d(window, summed, bias, stride, (0, columns))


def frames(
    window: Tensor, weight: Weight, kernel: Kernel, bias: Tensor, stride: tuple[int, int], columns: int
) -> Tensor:
    """A window of frames, arguments as for `one_frame`; `stride` is (time, space).

    Returns:
        (T', outputs, H', W'): as many frames as the kernel has whole windows for.
    """
    if _by_products(window) and stride == (1, 1) and weight.shape[2] == TAPS and min(weight.shape[:2]) >= _NARROW:
        return _along_time(window, weight, kernel, bias, columns)
    return _direct(window, kernel.form("clip", weight, window, _channels_last), bias, stride, columns)


def _by_products(window: Tensor) -> bool:
    return on_processor(window.device) and not torch.is_grad_enabled()


def _channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last_3d)


def _summed(weight: Tensor) -> Tensor:
    return weight.sum(2, dtype=torch.float32).contiguous(memory_format=torch.channels_last)


def _row_factors(weight: Tensor, outputs: int) -> Tensor:
    """(outputs + 2, outputs of the convolution, inputs, 1, width)."""
    return filtering(outputs).kernels(weight.sum(2, dtype=torch.float32).movedim(2, 0)).unsqueeze(3)


def _time_factors(weight: Tensor, outputs: int) -> Tensor:
    """(outputs + 2, outputs, inputs, height, width)."""
    return filtering(outputs).kernels(weight.movedim(2, 0))


def _direct(window: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], columns: int) -> Tensor:
    clip = window.transpose(0, 1)[None]
    answer = F.conv3d(clip, weight, bias, (stride[0], stride[1], stride[1]), (0, 0, columns))
    return answer[0].transpose(0, 1)


def _along_rows(window: Tensor, factors: Tensor, bias: Tensor, columns: int) -> Tensor:
    """A convolution of one frame whose kernel has three rows, some rows of the result at a time."""
    image, outputs = window.permute(0, 2, 3, 1)[0], len(factors) - TAPS + 1
    height, width = image.shape[0] - TAPS + 1, image.shape[1] + 2 * columns - factors.shape[4] + 1
    result = image.new_empty(1, height, width, factors.shape[1])
    matrices = filtering(outputs)
    mix, unmix = matrices.inputs.to(image.dtype), matrices.outputs.to(image.dtype)
    whole = height // outputs * outputs
    # Rows that are left over are made with some that are there already: no other kernel is needed for them.
    rest = [(height - outputs, height)] if whole < height else []
    for top, bottom in (*_bands(whole, image[0].nbytes * 2, outputs), *rest):
        tiles = (bottom - top) // outputs
        step = image.stride(0)
        rows = image[top:].as_strided((tiles, len(mix), image[0].numel()), (outputs * step, step, 1))
        mixed = image.new_empty(len(mix), tiles, *image.shape[1:])
        torch.bmm(mix.expand(tiles, -1, -1), rows, out=mixed.flatten(2).transpose(0, 1))
        products = _products(mixed, factors, bias, columns).flatten(2).transpose(0, 1)
        torch.bmm(unmix.expand(tiles, -1, -1), products, out=result[0, top:bottom].view(tiles, outputs, -1))
    return result.permute(0, 3, 1, 2)


def _along_time(window: Tensor, weight: Weight, kernel: Kernel, bias: Tensor, columns: int) -> Tensor:
    count = len(window) - TAPS + 1
    images = window.permute(0, 2, 3, 1)
    height, width = images.shape[1] - weight.shape[3] + 1, images.shape[2] + 2 * columns - weight.shape[4] + 1
    result = images.new_empty(count, height, width, weight.shape[0])
    for start, outputs in _steps(count):
        seen, out = images[start : start + outputs + 2], result[start : start + outputs]
        if outputs == 1:
            whole = kernel.form("clip", weight, window, _channels_last)
            out.copy_(_direct(seen.permute(0, 3, 1, 2), whole, bias, (1, 1), columns).permute(0, 2, 3, 1))
            continue
        factors = kernel.form(f"time{outputs}", weight, window, partial(_time_factors, outputs=outputs))
        for top, bottom in _bands(height, images[0, 0].nbytes * len(seen)):
            _some_frames(seen[:, top : bottom + weight.shape[3] - 1], factors, bias, columns, out[:, top:bottom])
    return result.permute(0, 3, 1, 2)


def _some_frames(seen: Tensor, factors: Tensor, bias: Tensor, columns: int, out: Tensor) -> None:
    """Rows of frames `seen` (m + 2, h, W, C) into `out` (m, h', W', outputs)."""
    matrices = filtering(len(out))
    mixed = torch.mm(matrices.inputs.to(seen.dtype), seen.flatten(1)).view(seen.shape)
    products = _products(mixed, factors, bias, columns).flatten(1)
    torch.mm(matrices.outputs.to(out.dtype), products, out=out.flatten(1))


def _products(mixed: Tensor, factors: Tensor, bias: Tensor, columns: int) -> Tensor:
    """Each of `mixed` (n, h, W, C) with its own of the kernels `factors`: (n, h', W', outputs)."""
    products = mixed.new_empty(0)
    for point, factor in enumerate(factors):
        # As a batch of one: without its stride the layout would not be seen, and be made anew.
        image = mixed[point : point + 1].permute(0, 3, 1, 2)
        answer = F.conv2d(image, factor, bias if point == BIAS_POINT else None, 1, (0, columns)).permute(0, 2, 3, 1)
        if point == 0:
            products = answer.new_empty(len(mixed), *answer.shape[1:])
        products[point] = answer[0]
    return products


def _steps(count: int) -> Iterator[tuple[int, int]]:
    """(first frame, frames) of fours, a two and a one."""
    start = 0
    while start < count:
        outputs = next(size for size in (4, 2, 1) if size <= count - start)
        yield start, outputs
        start += outputs


def _bands(height: int, row_bytes: int, multiple: int = 1) -> Iterator[tuple[int, int]]:
    rows = max(_BAND_BYTES // row_bytes // multiple, 2) * multiple
    for start in range(0, height, rows):
        yield start, min(start + rows, height)
