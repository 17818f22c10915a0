"""Merged kernels give what spreading and then convolving give, however a clip is cut into parts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seedvr2.network.causal import CausalMemory
from seedvr2.network.parts import Follows, Part
from seedvr2.network.upsample import Place, Upsample

# Wide enough for the merged kernels (they are always taken unless channels are left out) and for products of frames.
WIDTHS = [8, 64]


def _upsample(channels: int, factor: int, kernel: int) -> Upsample:
    generator, layer = torch.Generator().manual_seed(4), Upsample(channels, factor, kernel)
    for weight in layer.parameters():
        weight.requires_grad_(False)
        fan = weight[0].numel() if weight.ndim > 1 else 1
        weight.copy_(torch.randn(weight.shape, generator=generator) * fan**-0.5)
    return layer


def _clip(channels: int, frames: int, height: int = 5, width: int = 6) -> Tensor:
    return torch.randn(frames, channels, height, width, generator=torch.Generator().manual_seed(5))


def _two_steps(layer: Upsample, clip: Tensor) -> Tensor:
    """Spread channels over time and space, drop the second frame, pad causally, convolve; in float64."""
    spread, conv, factor = layer.upscale_conv, layer.conv, layer.factor
    count, _, height, width = clip.shape
    matrix = spread.weight.double()[:, :, 0, 0, 0]
    pixels = torch.einsum("oc,tchw->tohw", matrix, clip.double()) + spread.bias.double()[:, None, None]
    channels = pixels.shape[1] // (4 * factor)
    frames = pixels.new_empty(factor * count, channels, 2 * height, 2 * width)
    # Of the channels the row comes first, then the column, then the frame.
    for index in range(4 * factor):
        row, column, frame = index // factor // 2, index // factor % 2, index % factor
        frames[frame::factor, :, row::2, column::2] = pixels[:, index * channels : (index + 1) * channels]
    if factor > 1:
        frames = torch.cat((frames[:1], frames[factor:]))
    ahead = frames[:1].expand(conv.kernel[0] - 1, -1, -1, -1)
    padded = F.pad(torch.cat((ahead, frames)), (1, 1, 1, 1)).transpose(0, 1)[None]
    return F.conv3d(padded, conv.weight.double(), conv.bias.double())[0].transpose(0, 1)


def _in_parts(layer: Upsample, clip: Tensor, sizes: list[int], follows: Follows = Follows.PART) -> Tensor:
    given = torch.split(clip.contiguous(memory_format=torch.channels_last), sizes)
    marks = [follows] * (len(sizes) - 1) + [Follows.NOTHING]
    parts = [Part(frames, mark, index == 0) for index, (frames, mark) in enumerate(zip(given, marks, strict=True))]
    return torch.cat([part.frames for part in layer(parts, CausalMemory())])


@pytest.mark.parametrize("sizes", [[1], [1, 1], [1, 4], [1, 1, 1, 1], [1, 2, 2], [1, 1, 3], [1, 3, 1]])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("channels", WIDTHS)
@torch.no_grad()
def test_one_step_gives_what_two_give(channels: int, factor: int, kernel: int, sizes: list[int]) -> None:
    layer, clip = _upsample(channels, factor, kernel), _clip(channels, sum(sizes))
    assert layer._merges()
    wanted = _two_steps(layer, clip)
    assert len(wanted) == (len(clip) - 1) * factor + 1
    for follows in (Follows.PART, Follows.SLICE):
        got = _in_parts(layer, clip, sizes, follows)
        torch.testing.assert_close(got.double(), wanted, atol=2e-5, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 2)])
@torch.no_grad()
def test_the_smallest_frames_have_edges_on_all_sides(size: tuple[int, int]) -> None:
    layer, clip = _upsample(8, 2, 3), _clip(8, 4, *size)
    torch.testing.assert_close(_in_parts(layer, clip, [1, 3]).double(), _two_steps(layer, clip), atol=2e-5, rtol=0)


@torch.no_grad()
def test_zeros_beyond_the_edge_are_not_the_spreadings_bias() -> None:
    layer, clip = _upsample(8, 2, 3), torch.zeros(3, 8, 4, 4)
    layer.upscale_conv.bias.fill_(100)
    got, wanted = _in_parts(layer, clip, [1, 2]), _two_steps(layer, clip)
    torch.testing.assert_close(got.double(), wanted, atol=1e-3, rtol=0)
    inner = got[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner, inner[:1, :, :1, :1].expand_as(inner), atol=1e-3, rtol=0)
    for edge in (got[:, :, 0], got[:, :, -1], got[..., 0], got[..., -1]):
        assert ((edge[:, :, 1:-1] - inner[:1, :, 0, :1]).abs().amax((0, 2)) > 1).all()


@pytest.mark.parametrize("factor", [1, 2])
@torch.no_grad()
def test_in_half_precision_it_loses_no_more_than_two_steps_do(factor: int) -> None:
    layer, clip = _upsample(64, factor, 3), _clip(64, 5).bfloat16()
    for weight in layer.parameters():
        weight.data = weight.bfloat16()
    wanted = _two_steps(layer, clip)
    merged, spread = _in_parts(layer, clip, [1, 4]), _spread_in_parts(layer, clip)
    assert merged.dtype == torch.bfloat16
    lost, usual = ((each.double() - wanted).square().mean().sqrt() for each in (merged, spread))
    assert lost <= 3 * usual


def _spread_in_parts(layer: Upsample, clip: Tensor) -> Tensor:
    memory, last = CausalMemory(), clip.contiguous(memory_format=torch.channels_last)
    first = layer._spread(Part(last[:1], Follows.PART, True), memory)
    return torch.cat((first, layer._spread(Part(last[1:], Follows.NOTHING), memory)))


@pytest.mark.parametrize("sizes", [[1], [1, 1], [1, 4], [1, 2, 2]])
@pytest.mark.parametrize("factor", [1, 2])
@torch.no_grad()
def test_few_channels_between_the_steps_take_two_steps(
    factor: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, clip = _upsample(16, factor, 3), _clip(16, sum(sizes))
    idle = torch.arange(16) >= 2
    for weight in (layer.upscale_conv.weight, layer.upscale_conv.bias):
        weight.view(4 * factor, 16, -1)[:, idle] = 0
    wanted = _two_steps(layer, clip)
    layer.skip_idle_channels()
    assert layer.conv.weight.shape[1] == 2 and not layer._merges()
    monkeypatch.setattr(layer, "_merged", None)
    torch.testing.assert_close(_in_parts(layer, clip, sizes).double(), wanted, atol=2e-5, rtol=0)


@torch.no_grad()
def test_a_weight_that_is_replaced_makes_new_kernels_and_forgetting_changes_nothing() -> None:
    layer, clip = _upsample(8, 2, 3), _clip(8, 5)
    first = _in_parts(layer, clip, [1, 4])
    layer.clear()
    assert torch.equal(_in_parts(layer, clip, [1, 4]), first)
    for owner in (layer.conv, layer.upscale_conv):
        owner.weight = nn.Parameter(owner.weight * 2, requires_grad=False)
        torch.testing.assert_close(_in_parts(layer, clip, [1, 4]).double(), _two_steps(layer, clip), atol=5e-5, rtol=0)


@torch.no_grad()
def test_kernels_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Place] = []
    layer, clip, expand = _upsample(8, 2, 3), _clip(8, 5), Place.expand

    def counted(place: Place, *arguments: object, **more: object) -> Tensor:
        made.append(place)
        return expand(place, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Place, "expand", counted)
    for sizes in ([1, 4], [1, 1, 3], [1, 4]):
        _in_parts(layer, clip, sizes)
    # Four places in each of: the first frame, two frames made of the second one, two of every later one.
    assert len(made) == len(set(map(id, made))) == 4 * 5
