"""A clip in parts, whatever their sizes, is convolved as the whole clip, and nothing is remembered behind its end."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seedvr2.network.causal import CausalConv3d, CausalMemory
from seedvr2.network.frame_store import DeviceStore
from seedvr2.network.parts import Follows, Part
from seedvr2.network.upsample import Upsample
from seedvr2.network.vae_layers import GroupNorm, MidBlock, ResnetBlock
from tests.seedvr2.network.networks import randomise

SIZES = st.lists(st.integers(1, 5), max_size=5)
# Where a slice ends between parts.
ENDS = st.integers(0, 31)


def _clip(channels: int, frames: int, height: int = 6, width: int = 4) -> Tensor:
    return torch.randn(frames, channels, height, width, generator=torch.Generator().manual_seed(6))


def _parts(clip: Tensor, sizes: list[int], ends: int = 0) -> list[Part]:
    """The first frame, then parts of `sizes`; bit n of `ends` tells that part n is the last of its slice."""
    given = torch.split(clip.contiguous(memory_format=torch.channels_last), [1, *sizes])
    marks = [Follows.SLICE if ends >> index & 1 else Follows.PART for index in range(len(sizes))]
    marks.append(Follows.NOTHING)
    return [Part(frames, mark, index == 0) for index, (frames, mark) in enumerate(zip(given, marks, strict=True))]


def _memory() -> tuple[CausalMemory, DeviceStore]:
    store = DeviceStore()
    return CausalMemory(store), store


def _is_empty(memory: CausalMemory, store: DeviceStore) -> bool:
    return not memory._windows and not store._frames


def _padded(conv: CausalConv3d, clip: Tensor) -> Tensor:
    """The convolution as it is defined: copies of the first frame before it, zeros around; in float64."""
    ahead = clip[:1].expand(conv.kernel[0] - 1, -1, -1, -1)
    edge = (conv.padding,) * 4 if conv.padding or conv.kernel[1] == 1 else (0, 1, 0, 1)
    frames = F.pad(torch.cat((ahead, clip)).double(), edge).transpose(0, 1)[None]
    stride = (conv.stride[0], conv.stride[1], conv.stride[1])
    return F.conv3d(frames, conv.weight.double(), conv.bias.double(), stride)[0].transpose(0, 1)


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int], padding: int) -> CausalConv3d:
    with torch.device("meta"):
        conv = CausalConv3d(inputs, outputs, kernel, stride=stride, padding=padding)
    return randomise(conv.requires_grad_(False), 2)  # type: ignore[no-any-return]


KINDS = {
    "wide": (64, 72, (3, 3), (1, 1), 1),
    "narrow": (6, 10, (3, 3), (1, 1), 1),
    "of one frame": (6, 10, (1, 3), (1, 1), 1),
    "of one pixel": (6, 10, (1, 1), (1, 1), 0),
    "smaller": (6, 10, (1, 3), (1, 2), 0),
    "smaller and shorter": (6, 10, (3, 3), (2, 2), 0),
}


@pytest.mark.parametrize("kind", KINDS)
@given(sizes=SIZES, ends=ENDS)
@settings(max_examples=12, deadline=None)
@torch.no_grad()
def test_parts_are_convolved_as_the_whole_clip(kind: str, sizes: list[int], ends: int) -> None:
    conv = _conv(*KINDS[kind])
    sizes = [size * conv.stride[0] for size in sizes]
    clip = _clip(conv.weight.shape[1], 1 + sum(sizes))
    memory, store = _memory()
    got = torch.cat([conv(part, memory) for part in _parts(clip, sizes, ends)])
    torch.testing.assert_close(got.double(), _padded(conv, clip), atol=2e-5, rtol=0)
    assert _is_empty(memory, store)


@given(sizes=SIZES, ends=ENDS)
@settings(max_examples=12, deadline=None)
@torch.no_grad()
def test_a_norm_is_written_into_the_window(sizes: list[int], ends: int) -> None:
    conv, clip = _conv(*KINDS["narrow"]), _clip(6, 1 + sum(sizes))
    norm = GroupNorm(2, 6)
    norm.weight.copy_(torch.linspace(0.5, 1.5, 6))
    norm.bias.copy_(torch.linspace(-1, 1, 6))
    memory, store = _memory()
    got = torch.cat([conv(part, memory, norm) for part in _parts(clip, sizes, ends)])
    normed = F.silu(F.group_norm(clip.double(), 2, norm.weight.double(), norm.bias.double(), 1e-6))
    torch.testing.assert_close(got.double(), _padded(conv, normed), atol=2e-5, rtol=0)
    assert _is_empty(memory, store)


def _layer(kind: str) -> torch.nn.Module:
    with torch.device("meta"):
        layer = {
            "residual block": lambda: ResnetBlock(8, 16, 4, 3),
            "middle": lambda: MidBlock(8, 4, 3, attention=True),
            "upsampler": lambda: Upsample(8, 2, 3),
        }[kind]()
    return randomise(layer.requires_grad_(False), 3)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["residual block", "middle", "upsampler"])
@given(sizes=SIZES, ends=ENDS)
@settings(max_examples=10, deadline=None)
@torch.no_grad()
def test_layers_give_the_same_in_any_parts_and_give_these_up(kind: str, sizes: list[int], ends: int) -> None:
    layer, clip = _layer(kind), _clip(8, 1 + sum(sizes))
    whole = torch.cat([part.frames for part in layer(_parts(clip, [sum(sizes)] if sizes else []), CausalMemory())])
    memory, store = _memory()
    given = _parts(clip, sizes, ends)
    result = list(layer(given, memory))
    assert given == [] and _is_empty(memory, store)
    assert [part.opens for part in result] == [True] + [False] * len(sizes)
    assert [part.follows for part in result] == [part.follows for part in _parts(clip, sizes, ends)]
    torch.testing.assert_close(torch.cat([part.frames for part in result]), whole, atol=2e-5, rtol=0)


@torch.no_grad()
def test_parts_of_one_size_pass_through_the_same_memory() -> None:
    conv, clip = _conv(*KINDS["narrow"]), _clip(6, 9)
    memory, store = _memory()
    seen = [conv.look(part, memory).frames for part in _parts(clip, [2, 2, 2, 2])]
    assert len({frames.data_ptr() for frames in seen[1:]}) == 1
    # A part that is followed by a slice leaves its last two frames only, and the window goes.
    memory, store = _memory()
    first, second, *_ = _parts(clip, [4, 4], ends=2)
    conv(first, memory)
    conv(second, memory)
    assert not memory._windows
    assert [tuple(frames.shape) for frames in store._frames.values()] == [(2, 6, 8, 4)]
    assert all(len(frames.untyped_storage()) == frames.nbytes for frames in store._frames.values())


@torch.no_grad()
def test_steps_of_two_remember_one_frame() -> None:
    conv, clip = _conv(*KINDS["smaller and shorter"]), _clip(6, 5)
    memory, store = _memory()
    first, second, _ = _parts(clip, [2, 2], ends=2)
    conv(first, memory)
    conv(second, memory)
    assert [len(frames) for frames in store._frames.values()] == [1]
