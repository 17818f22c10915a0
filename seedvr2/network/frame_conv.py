"""Convolutions over windows of frames: cuDNN's on a GPU, fewer products on a processor.

A processor is bound by its products, so three taps are filtered by Winograd's way there: along time where a window
gives two or four frames, along rows where it gives one. A GPU has libraries of its own for that, and less memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.network.row_sums import row_sums
from seedvr2.network.stored import Stored
from seedvr2.network.winograd import BIAS_POINT, TAPS, Filtering, filtering
from seedvr2.places import on_processor

# Of the frames of one piece of work: what a processor's caches hold, more or less. Larger pieces gain nothing.
_BAND_BYTES = 16 << 20
# Narrower convolutions have too few products to be worth the sums before and after.
_NARROW = 64
_NARROW_ROWS = 96
# Rows of a result that are made together, by the rows that the kernel has. To make six, or to filter kernels of two
# rows, loses precision; in float32, whose sums are slower, no time is gained for it.
_ROWS = {3: 4}
_ROWS_IN_BFLOAT16 = {2: 3, 3: 6}

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
    """Frames that each stand in all the places that a kernel looks at in time: its taps are summed, exactly.

    Args:
        window: (T, C, H + 2, W), the rows padded; channels last in memory, as everything here.
        weight: (outputs, C, time, 3, 3). bias: (outputs,) in the type of `window`.
        stride: in height and width. columns: zeros to add left and right.

    Returns:
        (T, outputs, H', W').
    """
    taps, wide = weight.shape[3], min(weight.shape[:2]) >= _NARROW_ROWS
    outputs = (_ROWS_IN_BFLOAT16 if window.dtype == torch.bfloat16 else _ROWS).get(taps, 0)
    if _by_products(window) and stride == 1 and wide and 0 < outputs <= window.shape[2] - taps + 1:
        factors = kernel.form("rows", weight, window, partial(_row_factors, outputs=outputs))
        return _along_rows(window, factors, bias, columns, filtering(outputs, taps))
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
    """(n, outputs of the convolution, inputs, 1, width), each channels last."""
    summed = weight.sum(2, dtype=torch.float32)
    return _each_channels_last(filtering(outputs, summed.shape[2]).kernels(summed.movedim(2, 0)).unsqueeze(3))


def _time_factors(weight: Tensor, outputs: int) -> Tensor:
    """(n, outputs of the convolution, inputs, height, width), each channels last."""
    return _each_channels_last(filtering(outputs).kernels(weight.movedim(2, 0)))


def _each_channels_last(factors: Tensor) -> Tensor:
    # Other layouts would be changed at each use.
    return factors.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def _direct(window: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], columns: int) -> Tensor:
    clip = window.transpose(0, 1)[None]
    answer = F.conv3d(clip, weight, bias, (stride[0], stride[1], stride[1]), (0, 0, columns))
    return answer[0].transpose(0, 1)


def _along_rows(window: Tensor, factors: Tensor, bias: Tensor, columns: int, matrices: Filtering) -> Tensor:
    """A convolution of each frame on its own, some rows of the result at a time."""
    images = window.permute(0, 2, 3, 1)
    outputs, points = matrices.outputs.shape
    height, width = images.shape[1] - points + outputs, images.shape[2] + 2 * columns - factors.shape[4] + 1
    result = images.new_empty(len(images), height, width, factors.shape[1])
    whole = height // outputs * outputs
    # Rows that are left over are made with some that are there already: no other kernel is needed for them.
    rest = [(height - outputs, height)] if whole < height else []
    for top, bottom in (*_bands(whole, images[0, 0].nbytes * 2, outputs), *rest):
        for image, answer in zip(images, result, strict=True):
            mixed = row_sums(image[top : bottom + points - outputs], matrices.inputs, outputs)
            out = answer[top:bottom].unflatten(0, (-1, outputs))
            products = image.new_empty(len(out), points, *out.shape[2:])
            _products(mixed, factors, bias, columns, products.transpose(0, 1))
            row_sums(products.flatten(0, 1), matrices.outputs, points, out.transpose(0, 1))
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
    mixed = (each.view(seen.shape[1:]) for each in row_sums(seen.flatten(1, 2), matrices.inputs, 1))
    products = out.new_empty(len(seen), *out.shape[1:])
    _products(mixed, factors, bias, columns, products)
    row_sums(products.flatten(1, 2), matrices.outputs, 1, out.flatten(1, 2).unsqueeze(1))


def _products(mixed: Iterable[Tensor], factors: Tensor, bias: Tensor, columns: int, out: Tensor) -> None:
    """Each of `mixed` (h, W, C) with its own of the kernels `factors` into its own of `out` (n, h', W', outputs)."""
    for point, (some, factor, target) in enumerate(zip(mixed, factors, out, strict=True)):
        # As a batch of one: without its stride the layout would not be seen, and be made anew.
        image = some[None].permute(0, 3, 1, 2)
        answer = F.conv2d(image, factor, bias if point == BIAS_POINT else None, 1, (0, columns))
        target.copy_(answer.permute(0, 2, 3, 1)[0])


def _steps(count: int) -> Iterator[tuple[int, int]]:
    """(first frame, frames) of fours, a two and a one."""
    start = 0
    while start < count:
        outputs = next(size for size in (4, 2, 1) if size <= count - start)
        yield start, outputs
        start += outputs


def _bands(height: int, row_bytes: int, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """(first row, last and one), as many rows each as a multiple allows, so that none has few."""
    steps, most = -(-height // multiple), max(_BAND_BYTES // row_bytes // multiple, 2)
    rows = -(-steps // -(-steps // most)) * multiple
    for start in range(0, height, rows):
        yield start, min(start + rows, height)
