"""Parts of shots in one piece, with small random networks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from seedvr2.errors import NumericError
from seedvr2.model import Model
from seedvr2.network.reach import Reach, reach_of
from seedvr2.network.tiling import Tiling
from seedvr2.network.vae import VideoVAE
from seedvr2.pipeline import stitching
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.latent_windows import LatentGrid, Part
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.shot_noise import ShotNoise
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stitching import lead_over, stitch
from seedvr2.pipeline.stream import restore_stream
from tests.seedvr2.network.networks import SMALL_DIT, SMALL_VAE, random_dit, random_vae
from tests.seedvr2.segments.scenes import HEIGHT, WIDTH, pixels, scene

SIZES = plan_sizes(WIDTH, HEIGHT, 16)
STILL = replace(SMALL_VAE, kernel=1, down_kernels=(1, 1), up_factors=(1, 1))
FRAMES = list(pixels(scene(1, 41, step=2)))


def _vae() -> VideoVAE:
    """One that looks back less than one of random kernels does."""
    vae = random_vae()
    for weight in vae.parameters():
        if weight.ndim == 5 and weight.shape[2] == 3:
            weight.data[:, :, :2] *= 0.2
    return vae


def _model(vae: VideoVAE | None = None) -> Model:
    text = torch.randn(5, SMALL_DIT.text_channels, generator=torch.Generator().manual_seed(9))
    return Model("small", random_dit(), vae or _vae(), text, torch.device("cpu"), torch.float32)


def _reach(vae: VideoVAE) -> Reach:
    return reach_of(vae.config, lambda name: vae.state_dict()[name])


def _run(
    parts: Sequence[Part],
    model: Model,
    restore: RestoreSettings | None = None,
    frames: Sequence[np.ndarray] = FRAMES,
    place: int = 0,
    **settings: object,
) -> Tensor:
    """What the parts give, one after another; each is given the frames that it asks for, and takes all of them."""
    images = []
    for part in parts:
        items = iter([(index, frames[index]) for index in part.needed])
        chosen = StreamSettings(**{"sizes": SIZES, **settings})  # type: ignore[arg-type]
        restorer = BatchRestorer(model, restore or RestoreSettings())
        got = list(stitch(items, lambda item: item[1], restorer, chosen, part, place))
        assert [item[0] for item, _ in got] == list(part.wanted) and next(items, None) is None
        images += [image for _, image in got]
    return torch.stack(images)


def _cut(grid: LatentGrid, numbers: Sequence[int], frames: int = len(FRAMES)) -> list[Part]:
    edges = sorted({0, frames, *(begin for number in numbers if 0 < (begin := grid.begin(number)) < frames)})
    return [grid.part(frames, start, stop) for start, stop in itertools.pairwise(edges)]


def _apart(one: Tensor, other: Tensor) -> float:
    """How far apart 99.9 % of the values are at the most, in levels of 255."""
    return float(np.quantile((one - other).abs().numpy(), 0.999) * 255)


_SETTINGS: list[dict[str, object]] = [{}, {"color_correction": "none"}, {"color_correction": "wavelet"}]


@pytest.mark.parametrize(
    ("batch", "settings"),
    [
        # Each batch and each setting once; all of them together take long.
        pytest.param(batch, settings, marks=[] if number == index else pytest.mark.long)
        for number, batch in enumerate((3, 9, 13))
        for index, settings in enumerate(_SETTINGS)
    ],
)
def test_a_shot_in_parts_is_the_shot_in_one(batch: int, settings: dict[str, object]) -> None:
    model = _model()
    grid = LatentGrid.of(_reach(model.vae), batch)
    numbers = (2, 4, 6)
    whole = _run(_cut(grid, []), model, **settings)
    parts = _run(_cut(grid, numbers), model, **settings)
    assert _apart(whole, parts) < 1
    # It is the lead-in that makes it so.
    bare = replace(grid, encoder_lead=1, decoder_lead=1)
    assert _apart(whole, _run(_cut(bare, numbers), model, **settings)) > 2


@pytest.mark.parametrize(
    ("batch", "overlap", "prepend", "uniform"), [(5, 0, 0, False), (13, 4, 3, True), (2, 0, 0, False), (9, 7, 2, False)]
)
def test_where_nothing_looks_back_parts_are_the_shot_to_the_bit(
    batch: int, overlap: int, prepend: int, uniform: bool
) -> None:
    model = _model(random_vae(STILL))
    grid = LatentGrid.of(_reach(model.vae), batch, overlap, prepend, uniform=uniform)
    assert (grid.encoder_lead, grid.decoder_lead) == (0, 0)
    for restore in (
        RestoreSettings(),
        RestoreSettings(tiling=Tiling((16, 16), (8, 8)), input_noise_scale=0.5, latent_noise_scale=0.2),
    ):
        whole = _run(_cut(grid, [], 19), model, restore)
        assert torch.equal(whole, _run(_cut(grid, [1, 3], 19), model, restore))


@pytest.mark.parametrize("tiling", [None, Tiling((16, 16), (8, 8))])
def test_a_part_is_the_same_whenever_it_is_made(tiling: Tiling | None) -> None:
    model, restore = _model(), RestoreSettings(tiling=tiling, input_noise_scale=0.3, latent_noise_scale=0.3)
    parts = _cut(LatentGrid.of(_reach(model.vae), 9), [2, 5])
    forwards = [_run([part], model, restore) for part in parts]
    backwards = [_run([part], model, restore) for part in reversed(parts)][::-1]
    assert all(torch.equal(one, other) for one, other in zip(forwards, backwards, strict=True))


def test_tiles_are_decoded_in_as_many_passes_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model, restore = _model(), RestoreSettings(tiling=Tiling((16, 16), (8, 8)))
    parts = _cut(LatentGrid.of(_reach(model.vae), 9), [])
    whole = _run(parts, model, restore)
    decode, passes = stitching.decoding_tiled, []

    def counting(vae: VideoVAE, latents: object, *rest: object) -> Tensor:
        passes.append(len(latents))  # type: ignore[arg-type]
        return decode(vae, latents, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stitching, "decoding_tiled", counting)
    monkeypatch.setattr(stitching, "_TILED", 0)
    assert _apart(whole, _run(parts, model, restore)) < 1
    assert len(passes) > 1


def test_what_two_windows_share_begins_with_the_same_noise() -> None:
    class Watching(BatchRestorer):
        def one_step(self, latent: Tensor, noise: Tensor, second: Tensor | None) -> Tensor:
            seen.append((noise, second))
            return super().one_step(latent, noise, second)

    seen: list[tuple[Tensor, Tensor | None]] = []
    model, restore = _model(), RestoreSettings(latent_noise_scale=0.5)
    grid = LatentGrid.of(_reach(model.vae), 9)
    (part,) = _cut(grid, [])
    items = iter(FRAMES)
    list(stitch(items, lambda item: item, Watching(model, restore), StreamSettings(SIZES), part, 7))
    assert len(seen) == len(part.windows) > 3 and grid.overlap == 2
    for (noise, second), (later, other) in itertools.pairwise(seen):
        shared = min(grid.overlap, len(later))
        assert torch.equal(noise[grid.step :][:shared], later[:shared])
        assert second is not None and other is not None
        assert torch.equal(second[grid.step :][:shared], other[:shared]) and not torch.equal(noise, second)
        assert not torch.equal(noise[0], noise[1])
    assert torch.equal(seen[0][0][0], ShotNoise(42, 7).of_latents([0], tuple(seen[0][0].shape[1:]))[0])
    assert abs(float(torch.cat([noise for noise, _ in seen]).std()) - 1) < 0.05


def test_shots_have_noise_of_their_own() -> None:
    shape = (2, 3, 4)
    draws = [ShotNoise(seed, place).of_latents([5], shape) for seed, place in ((1, 0), (1, 10), (2, 0))]
    draws += [ShotNoise(1, 0).second_of_latents([5], shape), ShotNoise(1, 0).of_frames([5], shape)]
    assert not any(torch.equal(a, b) for index, a in enumerate(draws) for b in draws[:index])
    assert torch.equal(draws[0], ShotNoise(1, 0).of_latents([4, 5], shape)[1:])


def test_a_raised_cosine_leads_from_window_to_window() -> None:
    mixed: dict[int, Tensor] = {}
    for number in range(3):
        lead_over(mixed, range(2 * number, 2 * number + 4), torch.full((4, 1, 1, 1), float(number)), 2)
    values = [float(mixed[latent]) for latent in sorted(mixed)]
    # sin² of 30° and of 60°.
    assert values == pytest.approx([0, 0, 0.25, 0.75, 1.25, 1.75, 2, 2])


def test_a_transformer_of_constant_velocity_shows_the_ramp_in_the_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each window restored to one level of its own: between the levels, exactly the ramp."""
    model = _model(random_vae(STILL))
    (part,) = _cut(LatentGrid.of(_reach(model.vae), 5), [], frames=11)
    levels = iter(range(10))
    monkeypatch.setattr(
        BatchRestorer,
        "one_step",
        lambda _self, latent, _noise, _second: torch.full_like(latent, float(next(levels))),
    )
    given: list[float] = []
    decoding = VideoVAE.decoding

    def watching(self: VideoVAE, latents: object, *rest: object) -> Iterator[Tensor]:
        given.extend(latents[slice(0, len(latents))].mean((1, 2, 3)).tolist())  # type: ignore[index,arg-type]
        return decoding(self, latents, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoVAE, "decoding", watching)
    _run([part], model, frames=FRAMES[:11])
    assert given == pytest.approx([0, 0, 0, 0.25, 0.75, 1, 1.25, 1.75, 2, 2, 2])


def test_a_shot_depends_on_no_frame_of_another() -> None:
    model = _model()
    grid = LatentGrid.of(_reach(model.vae), 9)
    alone = _run([grid.part(20, 0, 20)], model, frames=FRAMES[:20], place=100)
    other = [255 - frame for frame in FRAMES[20:]]
    # As a job does it: the frames of both shots come from one iterator.
    items = iter([*FRAMES[:20], *other])
    restorer, settings = BatchRestorer(model, RestoreSettings()), StreamSettings(SIZES)
    first = [image for _, image in stitch(items, lambda item: item, restorer, settings, grid.part(20, 0, 20), 100)]
    assert len(list(items)) == 21
    assert torch.equal(torch.stack(first), alone)


def test_frames_that_end_too_early_end_it() -> None:
    model = _model()
    (part,) = _cut(LatentGrid.of(_reach(model.vae), 9), [])
    restorer = BatchRestorer(model, RestoreSettings())
    assert list(stitch(iter(FRAMES[:20]), lambda item: item, restorer, StreamSettings(SIZES), part, 0)) == []


@pytest.mark.parametrize("vae", [None, random_vae(STILL)])
def test_transparency_and_restraint_go_along(vae: VideoVAE | None) -> None:
    model = _model(vae)
    (part,) = _cut(LatentGrid.of(_reach(model.vae), 9), [], frames=15)
    mask = np.where(np.arange(WIDTH) < WIDTH // 2, 0, 255).astype(np.uint8)
    frames = [np.dstack([frame, np.broadcast_to(mask, frame.shape[:2])]) for frame in FRAMES[:15]]
    images = _run([part], model, frames=frames)
    assert images.shape[-1] == 4 and images[:, :, 0, 3].max() < 0.05 and images[:, :, -1, 3].min() > 0.95
    plain = _run([part], model, frames=frames, strength=0.0)
    half = _run([part], model, frames=frames, strength=0.5)
    torch.testing.assert_close(half, (images + plain) / 2, atol=1e-5, rtol=0)


def test_one_window_is_one_batch() -> None:
    """Where a shot is one window there is nothing to stitch, and all but the noise is as without."""

    class Fixed(BatchRestorer):
        def one_step(self, latent: Tensor, noise: Tensor, second: Tensor | None) -> Tensor:
            return super().one_step(latent, torch.zeros_like(noise), second)

    model = _model()
    (part,) = _cut(LatentGrid.of(_reach(model.vae), 9), [], frames=9)
    settings = StreamSettings(SIZES, batch_size=9, color_correction="none")
    frames = FRAMES[:9]
    stitched = stitch(iter(frames), lambda item: item, Fixed(model, RestoreSettings()), settings, part, 0)
    batch = restore_stream(frames, lambda item: item, Fixed(model, RestoreSettings()), settings)
    for (_, one), (_, other) in zip(stitched, batch, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_stages_are_told_and_can_stop_the_work() -> None:
    seen: list[tuple[str, float]] = []

    def on_stage(stage: str, share: float) -> None:
        seen.append((stage, share))
        if stage == "decoding" and share > 0:
            raise InterruptedError

    model = _model()
    (part,) = _cut(LatentGrid.of(_reach(model.vae), 9), [])
    restorer = BatchRestorer(model, RestoreSettings(), on_stage)
    with pytest.raises(InterruptedError):
        list(stitch(iter(FRAMES), lambda item: item, restorer, StreamSettings(SIZES), part, 0))
    assert [stage for stage, share in seen if share == 0] == ["encoding", "restoring", "decoding"]
    assert [share for stage, share in seen if stage == "encoding"] == sorted({s for n, s in seen if n == "encoding"})
    assert ("encoding", 1.0) in seen and ("restoring", 1.0) in seen


def test_what_overflows_late_is_computed_in_a_wider_type_from_the_start() -> None:
    model = _model(random_vae())
    # Sound in float32; what they give lies beyond float16. Norms behind them undo the factor.
    for layer, most in ((model.vae.encoder.conv_in, 6e4), (model.vae.decoder.conv_in, 6e5)):
        layer.weight.data.mul_(most / layer.weight.abs().max())
    (part,) = _cut(LatentGrid.of(Reach(2, 2, 2), 9), [], frames=15)
    generator = np.random.default_rng(5)
    frames = [generator.integers(0, 255, (14, 20, 3), dtype=np.uint8) for _ in range(15)]
    sizes = plan_sizes(20, 14, 30)
    wanted = _run([part], model, frames=frames, color_correction="none", sizes=sizes)
    model.vae.dtype = torch.float16
    restorer = BatchRestorer(model, RestoreSettings())
    settings = StreamSettings(sizes, color_correction="none")
    got = [image for _, image in stitch(iter(frames), lambda item: item, restorer, settings, part, 0)]
    assert [sentence.split(",")[0] for sentence in restorer.warnings] == ["In encoding", "In decoding"]
    torch.testing.assert_close(torch.stack(got), wanted, atol=3e-2, rtol=0)


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_frames_that_are_no_numbers_are_an_error(half: str) -> None:
    model = _model()
    model.vae.get_parameter(f"{half}.conv_out.bias").data[0] = float("nan")
    (part,) = _cut(LatentGrid.of(Reach(2, 2, 2), 9), [])
    with pytest.raises(NumericError, match=r"The result of (encoding|decoding)"):
        _run([part], model)
