"""Convolutions that are causal in time, and the memory that lets a clip pass through in parts.

Activations are (T, C, H, W) in channels-last order throughout the VAE. In memory that is the same as the
(1, C, T, H, W) channels-last-3d tensor that a 3-D convolution wants, so frames can be a batch for whatever works
on single frames (norms, attention, resampling) and a time axis for the convolutions, without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network import frame_conv
from seedvr2.network.frame_conv import Kernel
from seedvr2.network.frame_store import DeviceStore, FrameStore
from seedvr2.network.parts import Follows, Part
from seedvr2.network.stored import expand


class Writer(Protocol):
    """What writes frames into memory that it is given: a norm, so that its result needs no copy."""

    def into(self, x: Tensor, out: Tensor) -> None:
        """Frames `x` (T, C, H, W), changed, into `out` of the same shape."""


class CausalMemory:
    """The last frames that each convolution has seen, kept between the parts of one clip."""

    def __init__(self, store: FrameStore | None = None) -> None:
        """`store` keeps them from one slice to the next; between the parts of a slice, whole windows are kept."""
        self._store = store or DeviceStore()
        self._windows: dict[nn.Module, Tensor] = {}
        self._after_first: set[nn.Module] = set()

    def note_first(self, module: nn.Module, opens: bool) -> None:
        """Remember whether what a module has seen last is the clip's first frame alone."""
        (self._after_first.add if opens else self._after_first.discard)(module)

    def is_after_first(self, module: nn.Module) -> bool:
        """Whether it was that."""
        return module in self._after_first

    def window(self, module: nn.Module, like: Tensor, shape: tuple[int, int, int, int], reach: int) -> Tensor:
        """A window for a part that is not the clip's first, its first `reach` frames those that came before.

        Args:
            like: of which type and where. shape: (reach + T, C, H, W).
        """
        held = self._windows.pop(module, None)
        if held is not None and held.shape == shape:
            # The same memory again: what was convolved is done with.
            for frame in range(reach):
                held[frame] = held[len(held) - reach + frame]
            return held
        before = self._store.take(module) if held is None else held[-reach:]
        del held
        window = empty_frames(like, shape)
        # Of the clip's first frame there is one, which stands for all that would come before it.
        window[:reach] = before
        return window

    def keep(self, module: nn.Module, window: Tensor, reach: int, follows: Follows) -> None:
        """Remember the last `reach` frames of a window, or as many as there are, unless nothing follows."""
        if follows is Follows.PART:
            self._windows[module] = window
        elif follows is Follows.SLICE:
            self._store.keep(module, window[-min(reach, len(window)) :])


def empty_frames(like: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """(T, C, H, W) without numbers, channels last in memory."""
    count, channels, height, width = shape
    return like.new_empty(count, height, width, channels).permute(0, 3, 1, 2)


@dataclass(slots=True)
class Window:
    """What a convolution looks at: the frames of a part, those before it, and zeros around them.

    Attributes:
        frames: (T, C, H', W'). opens: it is the clip's first frame alone.
    """

    frames: Tensor
    opens: bool


class CausalConv3d(nn.Module):
    """A convolution that sees no later frame; its edges are zero-padded in space and copied in time."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], *, stride: tuple[int, int] = (1, 1), padding: int = 0
    ) -> None:
        """`kernel` and `stride` are (time, space)."""
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel[0], kernel[1], kernel[1]))
        self.bias = nn.Parameter(torch.empty(outputs))
        self._forms = Kernel()

    def skip_idle_taps(self) -> None:
        """Look at no earlier frame where all that would be seen of one is multiplied by zero."""
        weight = self.weight
        if self.kernel[0] == 1 or self.stride[0] > 1 or not isinstance(weight, Tensor):
            return
        earlier = weight[:, :, :-1]
        # One output first: a file's pages are read only where they are looked at.
        if not earlier[0].any() and not earlier.any():
            self.kernel = (1, self.kernel[1])
            self.weight = nn.Parameter(weight[:, :, -1:], requires_grad=False)

    def forward(self, part: Part, memory: CausalMemory, before: Writer | None = None) -> Tensor:
        """(T, C, H, W) to (T / stride, outputs, H / stride, W / stride), rounded up for the clip's first frame."""
        return self.answer(self.look(part, memory, before))

    def look(self, part: Part, memory: CausalMemory, before: Writer | None = None) -> Window:
        """What is to be convolved of a part; `before` writes it. The part is not needed afterwards."""
        x, (time, space) = part.frames, self.kernel
        if space == 1 and before is None:
            return Window(x, part.opens)
        count, channels, height, width = x.shape
        reach = 0 if part.opens else time - self.stride[0]
        top, right = self.padding, int(space > 1 and not self.padding)
        shape = (reach + count, channels, height + top + max(top, right), width + right)
        frames = memory.window(self, x, shape, reach) if reach else empty_frames(x, shape)
        inner = frames[reach:, :, top : top + height, :width]
        _zero_edges(frames[reach:], top, height, width)
        if before is None:
            inner.copy_(x)
        else:
            before.into(x, inner)
        if time > 1:
            memory.keep(self, frames, time - self.stride[0], part.follows)
        return Window(frames, part.opens)

    def clear(self) -> None:
        """Forget the forms of the weight, which are where it was used."""
        self._forms.clear()

    def answer(self, window: Window) -> Tensor:
        """The convolution of a window."""
        x, bias = window.frames, expand(self.bias, window.frames)
        if window.opens and self.kernel[0] > 1:
            return frame_conv.one_frame(x, self.weight, self._forms, bias, self.stride[1], self.padding)
        if self.kernel[0] > 1:
            return frame_conv.frames(x, self.weight, self._forms, bias, self.stride, self.padding)
        flat = self._forms.form("flat", self.weight, x, _flat)
        return F.conv2d(x, flat, bias, self.stride[1], (0, self.padding))


def _flat(weight: Tensor) -> Tensor:
    return weight[:, :, 0].contiguous(memory_format=torch.channels_last)


def _zero_edges(frames: Tensor, top: int, height: int, width: int) -> None:
    frames[:, :, :top].zero_()
    frames[:, :, top + height :].zero_()
    frames[:, :, :, width:].zero_()
