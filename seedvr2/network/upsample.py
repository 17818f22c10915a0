"""Upsampling: channels are spread over space and time, and what they become is convolved (engine.md, section 3).

Both steps are linear, so they are one. Of the nine taps of a kernel on the doubled grid, those that fall on one pixel
of the small grid are summed up beforehand: each of the four places that a pixel becomes looks at 2x2 pixels only, and
in time, where that doubles too, each of the two frames at two. That is four products where there were ten, and eight
where there were 28, and the spread tensor is never there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from math import prod

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network import frame_conv
from seedvr2.network.causal import CausalConv3d, CausalMemory, empty_frames
from seedvr2.network.frame_conv import Kernel
from seedvr2.network.parts import Part, consumed
from seedvr2.network.stored import Stored

_TAPS = 3
# Where the taps of a kernel fall along one axis: (pixel or frame of the small grid, place within it).
Taps = tuple[tuple[int, int], ...]
# By the place of the result within its pixel. The pixels are the one before and its own, or its own and the next.
_ALONG_SPACE: tuple[Taps, Taps] = (((0, 1), (1, 0), (1, 1)), ((0, 0), (0, 1), (1, 0)))
# The tap that falls outside of the frame on its first or last row or column, where there are zeros.
_OUTSIDE = (0, 2)


class Place:
    """One of the places that a pixel becomes: its kernel on the small grid, made of the two weights when asked for."""

    def __init__(self, upsample: Upsample, times: Taps, row: int, column: int, frames: int) -> None:
        self.row, self.column, self.forms = row, column, Kernel()
        self._upsample, self._axes = upsample, (times, _ALONG_SPACE[row], _ALONG_SPACE[column])
        self._biases: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor, Tensor, Tensor]] = {}
        outputs, inputs = upsample.conv.weight.shape[0], upsample.upscale_conv.weight.shape[1]
        self.shape = torch.Size((outputs, inputs, frames, 2, 2))

    def expand(self, dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> Tensor:
        """The kernel (outputs, inputs, frames, 2, 2)."""
        taps, spread, _ = self._weights(device)
        falls, places = self._falls()
        outputs, inputs, *extent = self.shape
        kernel = taps.new_zeros(prod(extent), outputs, inputs)
        kernel.index_add_(0, torch.tensor(falls, device=taps.device), taps @ spread[places])
        return kernel.permute(1, 2, 0).reshape(self.shape).to(dtype)

    def biases(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The bias (outputs,), and how much of it is missing on the outer row, the outer column, and on both."""
        key = (like.dtype, like.device)
        if key not in self._biases:
            taps, _, given = self._weights(like.device)
            parts = (taps @ given[self._falls()[1]].unsqueeze(2)).view(-1, _TAPS, _TAPS, self.shape[0])
            row, column = parts[:, _OUTSIDE[self.row]], parts[:, :, _OUTSIDE[self.column]]
            whole = self._upsample.conv.bias.to(like.device).float() + parts.sum((0, 1, 2))
            both = row[:, _OUTSIDE[self.column]].sum(0)
            exact = torch.stack((whole, row.sum((0, 1)), column.sum((0, 1)), both)).to(like.dtype)
            self._biases[key] = exact[0], exact[1], exact[2], exact[3]
        return self._biases[key]

    def _weights(self, device: torch.device | None) -> tuple[Tensor, Tensor, Tensor]:
        """Taps (time · 9, outputs, c), spread (places, c, inputs) and its bias (places, c), in float32."""
        conv, spread = self._upsample.conv, self._upsample.upscale_conv
        taps = _numbers(conv.weight, device)
        whole = _numbers(spread.weight, device).view(-1, taps.shape[1], spread.weight.shape[1])
        return taps.flatten(2).permute(2, 0, 1), whole, _numbers(spread.bias, device).view(-1, taps.shape[1])

    def _falls(self) -> tuple[list[int], list[int]]:
        """Of each tap (time, row, column): where in the kernel it falls, and onto which place there."""
        factor, falls, places = self._upsample.factor, [], []
        for (frame, z), (row, x), (column, y) in product(*self._axes):
            falls.append((frame * 2 + row) * 2 + column)
            places.append((x * 2 + y) * factor + z)
        return falls, places


class Upsample(nn.Module):
    """Double the frame, and time where `factor` is 2; the clip's second frame is dropped, as the model was trained."""

    def __init__(self, channels: int, factor: int, kernel: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = CausalConv3d(channels, channels, (kernel, 3), padding=1)
        self.upscale_conv = CausalConv3d(channels, channels * 4 * factor, (1, 1))
        # Frames of the small grid that a frame of the result looks at.
        self._reach = 1 + -(-(kernel - 1) // factor)
        self._made: tuple[tuple[Stored, Stored], dict[str, list[list[Place]]]] | None = None

    def skip_idle_channels(self) -> None:
        """Leave out the channels that are zero after the spreading, as most of the embedded model's are.

        Nothing is left out where all are in use: the convolutions stay as they are stored.
        """
        spread = (self.upscale_conv.weight, self.upscale_conv.bias)
        if not all(isinstance(part, Tensor) for part in (*spread, self.conv.weight)):
            return
        channels = self.conv.weight.shape[1]
        used = torch.stack([part.reshape(4 * self.factor, channels, -1).any(-1).any(0) for part in spread]).any(0)
        if used.any() and not used.all():
            for part in ("weight", "bias"):
                whole = self.upscale_conv.get_parameter(part)
                kept = whole.reshape(-1, channels, *whole.shape[1:])[:, used].flatten(0, 1)
                setattr(self.upscale_conv, part, nn.Parameter(kept, requires_grad=False))
            self.conv.weight = nn.Parameter(self.conv.weight[:, used], requires_grad=False)

    def forward(self, parts: Iterable[Part], memory: CausalMemory) -> Iterator[Part]:
        """Parts (T, C, H, W) to (factor*T, C, 2H, 2W), one after another as they are asked for."""
        for part in consumed(parts):
            yield part.with_frames(self._merged(part, memory) if self._merges() else self._spread(part, memory))
            del part

    def clear(self) -> None:
        """Forget the kernels that were made of the weights."""
        self._made = None

    def _merges(self) -> bool:
        """Whether the merged kernels take fewer products: not where few channels are in use between the two steps."""
        outputs, channels, time = self.conv.weight.shape[:3]
        inputs = self.upscale_conv.weight.shape[1]
        return 4 * self._reach * inputs * outputs < channels * (inputs + 9 * time * outputs)

    def _merged(self, part: Part, memory: CausalMemory) -> Tensor:
        x, places = part.frames, self._places()
        count, channels, height, width = x.shape
        after_first = not part.opens and memory.is_after_first(self)
        before = 0 if part.opens else self._reach - 1
        shape = (before + count, channels, height + 2, width)
        window = memory.window(self, x, shape, before) if before else empty_frames(x, shape)
        for edge in (0, height + 1):
            window[:, :, edge].zero_()
        window[before:, :, 1:-1] = x
        if self._reach > 1:
            memory.keep(self, window, self._reach - 1, part.follows)
            memory.note_first(self, part.opens)
        del x
        outputs = self.conv.weight.shape[0]
        factor = 1 if part.opens else self.factor
        result = empty_frames(window, (factor * count, outputs, 2 * height, 2 * width))
        start = 0
        if part.opens:
            self._fill(window, places["first"], result)
        elif after_first and self.factor > 1 and self._reach > 1:
            self._fill(window[: self._reach], places["second"], result[:factor])
            start = 1
        if not part.opens and start < count:
            self._fill(window[start:], places["later"], result[start * factor :])
        return result

    def _fill(self, window: Tensor, places: list[list[Place]], out: Tensor) -> None:
        """The window's frames through the kernels of each frame's places, into where they belong."""
        height = window.shape[2] - 2
        for frame, row_and_column in enumerate(places):
            for place in row_and_column:
                bias, *missing = place.biases(window)
                rows = window[:, :, place.row : place.row + height + 1]
                if place.shape[2] == 1:
                    answer = F.conv2d(rows, place.forms.form("flat", place, rows, _flat), bias, 1, (0, 1))
                else:
                    answer = frame_conv.frames(rows, place, place.forms, bias, (1, 1), 1)
                answer = answer[:, :, :, place.column : place.column + window.shape[3]]
                _take_off_edges(answer, place, missing)
                out[frame :: len(places), :, place.row :: 2, place.column :: 2] = answer

    def _places(self) -> dict[str, list[list[Place]]]:
        """The kernels, by which frames of the clip they make, in the order of those frames."""
        weights = (self.conv.weight, self.upscale_conv.weight)
        if self._made is None or any(new is not old for new, old in zip(weights, self._made[0], strict=True)):
            self._made = (
                weights,
                {
                    kind: [[Place(self, times, *place, reach) for place in product((0, 1), (0, 1))] for times in frames]
                    for kind, (reach, frames) in self._times().items()
                },
            )
        return self._made[1]

    def _times(self) -> dict[str, tuple[int, list[Taps]]]:
        """Where the taps fall in time: of the clip's first frame, of those made of its second one, of all later ones.

        Before the first frame come copies of it, and what would be the second is dropped: all of that is place 0.
        """
        time, last = self.conv.kernel[0], self._reach - 1
        positions = [[frame - time + 1 + tap for tap in range(time)] for frame in range(self.factor)]
        later = [tuple((p // self.factor + last, p % self.factor) for p in each) for each in positions]
        second = [tuple((last, p) if p >= 0 else (last - 1, 0) for p in each) for each in positions]
        first = [((0, 0),) * time]
        return {"first": (1, first), "second": (self._reach, second), "later": (self._reach, later)}

    def _spread(self, part: Part, memory: CausalMemory) -> Tensor:
        t, _, h, w = part.frames.shape
        spread = self.upscale_conv(part, memory)
        c = spread.shape[1] // (4 * self.factor)
        spread = spread.view(t, 2, 2, self.factor, c, h, w)
        # (t, row, column, frame, c, h, w) to (t frame) c (h row) (w column), channels last in memory.
        frames = spread.permute(0, 3, 5, 1, 6, 2, 4).reshape(t * self.factor, 2 * h, 2 * w, c).permute(0, 3, 1, 2)
        if part.opens:
            frames = frames[:1]
        result: Tensor = self.conv(part.with_frames(frames), memory)
        return result


def _take_off_edges(answer: Tensor, place: Place, missing: list[Tensor]) -> None:
    """Outside of the frame are zeros and not the bias of the spreading."""
    row, column = (-1 if index else 0 for index in (place.row, place.column))
    on_row, on_column, on_both = missing
    answer[:, :, row] -= on_row[:, None]
    answer[:, :, :, column] -= on_column[:, None]
    answer[:, :, row, column] += on_both


def _flat(weight: Tensor) -> Tensor:
    return weight[:, :, 0].contiguous(memory_format=torch.channels_last)


def _numbers(stored: Stored, device: torch.device | None) -> Tensor:
    return stored.to(device).float() if isinstance(stored, Tensor) else stored.expand(device=device)
