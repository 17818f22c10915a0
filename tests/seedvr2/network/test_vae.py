"""The VAE over slices and tiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seedvr2.network.build import meta_vae
from seedvr2.network.tiling import Tiling, decode_tiled, decoding_tiled, encode_tiled, encoding_tiled, tile_count
from seedvr2.planning.count import HALF, use_all, without_numbers
from seedvr2.planning.live import Elsewhere, counted, dataless
from seedvr2.planning.needs import vae_bytes
from seedvr2.planning.published import VAE
from tests.seedvr2.network.networks import SMALL_VAE, random_vae

GIB = 1 << 30


def _clip(frames: int, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.rand(3, frames, height, width, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize("frames", [1, 5, 9, 17])
@torch.no_grad()
def test_slices_give_what_the_whole_clip_gives(frames: int) -> None:
    sliced, whole = random_vae(), random_vae(replace(SMALL_VAE, slice_frames=64))
    clip = _clip(frames)
    latent = sliced.encode(clip)
    assert latent.shape == ((frames - 1) // 2 + 1, 4, 6, 4)
    torch.testing.assert_close(latent, whole.encode(clip), atol=1e-5, rtol=0)
    decoded = sliced.decode(latent)
    assert decoded.shape == (3, frames, 16, 24)
    torch.testing.assert_close(decoded, whole.decode(latent), atol=1e-5, rtol=0)


@torch.no_grad()
def test_no_frame_sees_a_later_one() -> None:
    vae, clip = random_vae(), _clip(9)
    changed = clip.clone()
    changed[:, 5:] = 0
    before, after = vae.encode(clip), vae.encode(changed)
    assert torch.equal(before[:3], after[:3]) and not torch.equal(before[3:], after[3:])


@torch.no_grad()
def test_slices_are_counted_and_can_stop_the_work() -> None:
    vae, seen = random_vae(), []
    vae.encode(_clip(9), seen.append)
    assert seen == [5, 9]

    def stop(done: int) -> None:
        raise KeyboardInterrupt(done)

    with pytest.raises(KeyboardInterrupt):
        vae.encode(_clip(9), stop)


@torch.no_grad()
def test_frames_that_no_layer_looks_across_pass_one_by_one() -> None:
    vae, seen = random_vae(replace(SMALL_VAE, kernel=1, down_kernels=(1, 1), up_factors=(1, 1))), []
    clip = _clip(3)
    latent = vae.encode(clip, seen.append)
    decoded = vae.decode(latent, seen.append)
    assert seen == [1, 2, 3] * 2
    for index in range(3):
        alone = vae.encode(clip[:, index : index + 1])
        torch.testing.assert_close(latent[index : index + 1], alone)
        torch.testing.assert_close(decoded[:, index : index + 1], vae.decode(alone))


@torch.no_grad()
def test_one_tile_is_the_whole_frame() -> None:
    vae, clip = random_vae(), _clip(5)
    tiling = Tiling((64, 64), (16, 16))
    latent = encode_tiled(vae, clip, tiling)
    torch.testing.assert_close(latent, vae.encode(clip))
    torch.testing.assert_close(decode_tiled(vae, latent, tiling), vae.decode(latent))
    assert tile_count(16, 24, tiling, 4) == 1


@pytest.mark.parametrize("overlap", [0, 3, 4, 7, 8, 15])
@torch.no_grad()
def test_tiles_leave_no_dead_pixel_at_any_overlap(overlap: int) -> None:
    vae, clip = random_vae(), _clip(1, 32, 48)
    tiling = Tiling((16, 16), (overlap, overlap))
    latent = encode_tiled(vae, clip, tiling)
    decoded = decode_tiled(vae, latent, tiling)
    assert latent.shape == (1, 8, 12, 4) and decoded.shape == (3, 1, 32, 48)
    assert latent.isfinite().all() and decoded.isfinite().all()


def test_tiles_are_counted() -> None:
    assert tile_count(1088, 1920, Tiling((512, 512), (64, 64)), 8) == 3 * 5


@pytest.mark.parametrize(("frames", "most"), [(1, 4.5), (5, 12), pytest.param(81, 12, marks=pytest.mark.long)])
def test_a_device_with_little_room_holds_a_slice_of_full_size_and_no_more(frames: int, most: float) -> None:
    """At 1080p, of the published VAE, beside weights and result."""
    vae = meta_vae(VAE)
    vae.away = Elsewhere
    with dataless():
        without_numbers(vae)
        use_all(vae)
        clip = torch.empty(3, frames, 1088, 1920, dtype=HALF)
        with counted() as encoding:
            latent = vae.encode(clip)
        latent = torch.empty(latent.shape, dtype=HALF)
        with counted() as decoding:
            result = vae.decode(latent)
    assert encoding.peak <= most * GIB and decoding.peak - result.nbytes <= most * GIB


@pytest.mark.long
@pytest.mark.parametrize("frames", [1, pytest.param(5, marks=pytest.mark.long)])
@torch.no_grad()
def test_half_precision_loses_little_at_real_widths(frames: int) -> None:
    vae = random_vae(replace(VAE, resnets=1)).requires_grad_(False)
    for name, weight in vae.named_parameters():
        if "norm" in name and name.endswith("weight"):
            weight.fill_(1)
    clip = _clip(frames, 64, 64)
    latent = vae.encode(clip)
    for exact, got in (
        (latent, vae.encode(clip.bfloat16())),
        (vae.decode(latent), vae.decode(latent.bfloat16())),
    ):
        assert got.dtype == torch.bfloat16
        error = (got.double() - exact.double()).square().mean()
        # Of the whole range of what was to come, as of a picture's.
        assert 10 * torch.log10((exact.max() - exact.min()).double() ** 2 / error) >= 40


@pytest.mark.parametrize("frames", [1, 3, 9, 17])
@torch.no_grad()
def test_a_clip_that_is_made_as_it_is_needed_gives_what_the_whole_one_gives(frames: int) -> None:
    vae, clip = random_vae(), _clip(frames)
    asked: list[slice] = []

    class Made:
        def __len__(self) -> int:
            return frames

        def __getitem__(self, part: slice, /) -> torch.Tensor:
            asked.append(part)
            return clip.transpose(0, 1)[part]

    latent = vae.encode(clip)
    assert torch.equal(torch.cat(list(vae.encoding(Made(), clip.device))), latent)
    assert [part.start for part in asked] == [0, *range(5, frames, 4)]
    seen: list[int] = []
    decoded = torch.cat(list(vae.decoding(latent, clip.device, seen.append)))
    assert torch.equal(decoded.transpose(0, 1), vae.decode(latent)) and seen[-1] == len(latent)


@torch.no_grad()
def test_tiles_of_such_a_clip_too() -> None:
    vae, clip, tiling = random_vae(), _clip(9), Tiling((8, 12), (4, 4))
    latent = encode_tiled(vae, clip, tiling)
    made = encoding_tiled(vae, clip.transpose(0, 1), (16, 24), clip.device, tiling)
    torch.testing.assert_close(made, latent, atol=1e-6, rtol=0)
    decoded = decoding_tiled(vae, latent, (4, 6), clip.device, tiling)
    torch.testing.assert_close(decoded, decode_tiled(vae, latent, tiling), atol=1e-6, rtol=0)


@pytest.mark.long
@pytest.mark.parametrize("roomy", [False, True])
def test_a_long_pass_takes_no_more_than_the_table_says_of_many_slices(roomy: bool) -> None:
    vae = meta_vae(VAE)
    vae.roomy, vae.away, vae.dtype = roomy, Elsewhere, HALF
    with dataless():
        without_numbers(vae)
        use_all(vae)
        latent = torch.empty(12, 32, 32, 16, dtype=HALF)
        with counted() as live:
            for frames in vae.decoding(latent, latent.device):
                assert frames.shape[1:] == (3, 256, 256)
                del frames
    table = vae_bytes(VAE, 256, 256, 17, 2, roomy=roomy)[1]
    assert 0.9 * table < live.peak < 1.01 * table
