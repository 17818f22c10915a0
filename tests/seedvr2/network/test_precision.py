"""Results that hold no numbers are computed again in a wider type, and never handed on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from seedvr2.errors import NumericError
from seedvr2.network.precision import NotFinite, check_finite, run_finite, stream_finite, vae_dtype, wider_types
from seedvr2.network.tiling import Tiling, encode_tiled
from seedvr2.network.vae import VideoVAE
from tests.seedvr2.network.networks import random_vae
from tests.seedvr2.pipeline.live import LiveBytes

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


def _overflowing_vae() -> VideoVAE:
    """A VAE that is sound in float32, where a full-scale frame takes the first convolution beyond float16."""
    vae = random_vae()
    weight = vae.encoder.conv_in.weight
    vae.encoder.conv_in.weight = torch.nn.Parameter(weight * 4e4 / weight.abs().max(), requires_grad=False)
    return vae


def _clip(frames: int, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.rand(3, frames, height, width, generator=torch.Generator().manual_seed(3)).sign()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_one_value_that_is_no_number_is_found(value: float, dtype: torch.dtype) -> None:
    frames = torch.full((2, 3, 40, 50), 60000.0, dtype=dtype)
    assert check_finite(frames) is frames
    frames[1, 2, 7, 9] = value
    with pytest.raises(NotFinite):
        check_finite(frames)


def test_infinities_of_both_signs_do_not_cancel_out() -> None:
    with pytest.raises(NotFinite):
        check_finite(torch.tensor([float("inf"), float("-inf")]))


def test_looking_takes_no_memory_and_needs_no_values() -> None:
    frames = torch.zeros(3, 64, 64)
    with LiveBytes() as live:
        check_finite(frames)
    assert live.peak < 64
    assert check_finite(torch.empty(3, 5, device="meta")).is_meta


def test_which_types_come_after_which(monkeypatch: pytest.MonkeyPatch) -> None:
    half, brain, full = torch.float16, torch.bfloat16, torch.float32
    assert wider_types(half, CPU) == wider_types(brain, CPU) == (full,)
    assert wider_types(full, CPU) == wider_types(full, GPU) == ()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 6))
    assert wider_types(half, GPU) == (brain, full)
    # Turing convolves bfloat16 only by way of columns that take many times the memory.
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))
    assert wider_types(half, GPU) == (full,)


def test_the_vae_is_float16_on_a_gpu_and_what_the_transformer_is_elsewhere() -> None:
    types = (torch.bfloat16, torch.float16, torch.float32)
    assert [vae_dtype(dtype, GPU) for dtype in types] == [torch.float16, torch.float16, torch.float32]
    assert [vae_dtype(dtype, CPU) for dtype in types] == list(types)


def test_attempts_end_with_the_widest_type() -> None:
    tried: list[torch.dtype] = []

    def run(dtype: torch.dtype) -> torch.Tensor:
        tried.append(dtype)
        return check_finite(torch.tensor(float("nan")))

    retries: list[int] = []
    with pytest.raises(NumericError, match="restoring does not consist of numbers"):
        run_finite(run, torch.float16, CPU, "restoring", lambda: retries.append(1))
    assert tried == [torch.float16, torch.float32] and retries == [1]


def test_the_device_is_asked_about_wider_types_only_where_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: asked.append(device) or (8, 6))
    good = torch.ones(3, dtype=torch.float16)
    assert run_finite(lambda _dtype: check_finite(good), torch.float16, GPU, "encoding", lambda: None) is good
    assert asked == []
    tried: list[torch.dtype] = []

    def run(dtype: torch.dtype) -> torch.Tensor:
        tried.append(dtype)
        return check_finite(torch.tensor([7e4]).to(dtype))

    assert run_finite(run, torch.float16, GPU, "encoding", lambda: None).dtype == torch.bfloat16
    assert tried == [torch.float16, torch.bfloat16] and asked == [GPU]


@torch.no_grad()
def test_a_clip_that_overflows_is_computed_in_a_wider_type() -> None:
    vae, clip = _overflowing_vae(), _clip(5)
    assert not torch.isfinite(vae.encoder.conv_in.weight.half() * 3).all()
    wanted = vae.encode(clip)
    assert vae.retries == 0
    got = vae.encode(clip.half())
    assert vae.retries == 1 and got.dtype == torch.float32
    torch.testing.assert_close(got, wanted)


@torch.no_grad()
def test_a_late_slice_that_overflows_is_not_computed_with_what_earlier_ones_left() -> None:
    vae, clip = _overflowing_vae(), _clip(13)
    clip[:, :9] *= 0.01
    shown: list[int] = []
    got = vae.encode(clip.half(), shown.append)
    # Two slices of frames passed before the third one overflowed.
    assert shown == [5, 9, 5, 9, 13] and vae.retries == 1
    torch.testing.assert_close(got, vae.encode(clip.half().float()))


@torch.no_grad()
def test_only_the_tile_that_overflows_is_computed_again() -> None:
    vae, clip = _overflowing_vae(), _clip(1, 16, 64)
    clip[..., 16:] *= 0.01
    encode_tiled(vae, clip.half(), Tiling((16, 16), (0, 0)))
    assert vae.retries == 1


@torch.no_grad()
def test_weights_that_are_no_numbers_are_an_error_in_every_type() -> None:
    vae = random_vae()
    vae.decoder.conv_out.bias[0] = float("nan")
    for dtype in (torch.float16, torch.float32):
        with pytest.raises(NumericError, match="decoding"):
            vae.decode(torch.zeros(2, 4, 6, 4, dtype=dtype))


def test_what_overflows_after_some_pieces_were_given_goes_on_behind_them() -> None:
    begun: list[torch.dtype] = []

    def run(dtype: torch.dtype) -> Iterator[torch.Tensor]:
        begun.append(dtype)
        for number in range(4):
            if number == 2 and dtype == torch.float16:
                raise NotFinite
            yield torch.full((1,), number, dtype=dtype)

    retries: list[int] = []
    pieces = list(stream_finite(run, torch.float16, CPU, "decoding", lambda: retries.append(1)))
    assert [float(piece) for piece in pieces] == [0, 1, 2, 3] and retries == [1]
    assert [piece.dtype for piece in pieces] == [torch.float16] * 2 + [torch.float32] * 2
    assert begun == [torch.float16, torch.float32]


def test_where_no_type_is_wide_enough_that_is_an_error_behind_the_pieces() -> None:
    def run(dtype: torch.dtype) -> Iterator[torch.Tensor]:
        yield torch.zeros(1, dtype=dtype)
        raise NotFinite

    pieces = stream_finite(run, torch.float16, CPU, "decoding", lambda: None)
    assert float(next(pieces)) == 0
    with pytest.raises(NumericError, match="The result of decoding"):
        next(pieces)
