"""Frames through the whole pipeline, with small random networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from seedvr2.errors import NumericError
from seedvr2.model import Model
from seedvr2.network.tiling import Tiling
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.source_frames import to_float
from seedvr2.pipeline.stream import restore_stream, to_integer
from seedvr2.segments.detector import LOOKAHEAD
from tests.seedvr2.network.networks import SMALL_DIT, SMALL_VAE, random_dit, random_vae
from tests.seedvr2.segments.scenes import HEIGHT, WIDTH, pixels, scene

SIZES = plan_sizes(20, 14, 30)
SCENE_SIZES = plan_sizes(WIDTH, HEIGHT, 16)


def _model() -> Model:
    text = torch.randn(5, SMALL_DIT.text_channels, generator=torch.Generator().manual_seed(9))
    return Model("small", random_dit(), random_vae(), text, torch.device("cpu"), torch.float32)


def _frames(count: int, channels: int = 3, dtype: type = np.uint8) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return [generator.integers(0, np.iinfo(dtype).max, (14, 20, channels), dtype=dtype) for _ in range(count)]


def _run(frames: list[np.ndarray], restore: RestoreSettings | None = None, **settings: object) -> list[torch.Tensor]:
    restorer = BatchRestorer(_model(), restore or RestoreSettings())
    chosen = StreamSettings(**{"sizes": SIZES, **settings})  # type: ignore[arg-type]
    stream = restore_stream(enumerate(frames), lambda item: item[1], restorer, chosen)
    result = list(stream)
    assert [item[0] for item, _ in result] == list(range(len(frames)))
    return [image for _, image in result]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 13])
@pytest.mark.parametrize("overlap", [0, 1, 2, 4])
@pytest.mark.parametrize("prepend", [0, 3])
def test_every_frame_comes_out_once_in_order(count: int, overlap: int, prepend: int) -> None:
    images = _run(_frames(count), overlap=overlap, prepend=prepend)
    assert all(image.shape == (30, 42, 3) for image in images)
    assert all(image.min() >= 0 and image.max() <= 1 for image in images)


def test_the_same_seed_gives_the_same_frames_and_another_seed_others() -> None:
    first, again = _run(_frames(3)), _run(_frames(3))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    other = _run(_frames(3), RestoreSettings(seed=7))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("overlap", [1, 2, 4])
def test_an_overlap_really_blends(overlap: int) -> None:
    """Each shared frame lies between what the two batches alone make of it: neither is thrown away."""
    frames = _frames(14 - overlap)
    blended = _run(frames, color_correction="none", batch_size=7, overlap=overlap)
    first = _run(frames[:7], color_correction="none", batch_size=7)
    second = _run(frames[7 - overlap :], color_correction="none", batch_size=7)
    for index in range(overlap):
        got, early, late = blended[7 - overlap + index], first[7 - overlap + index], second[index]
        assert not torch.allclose(got, early, atol=1e-4) and not torch.allclose(got, late, atol=1e-4)
        low, high = torch.minimum(early, late), torch.maximum(early, late)
        inside = (got >= low - 1e-4) & (got <= high + 1e-4)
        # Clamping to 0…1 after the blend can push a pixel out of the interval of the clamped ends, rarely.
        assert inside.float().mean() > 0.97


def test_the_reference_cuts_hard_where_asked() -> None:
    frames = _frames(8)
    cut = _run(frames, color_correction="none", overlap=2, reference=True)
    first = _run(frames[:5], color_correction="none")
    second = _run(frames[3:], color_correction="none")
    torch.testing.assert_close(cut[3], first[3])
    torch.testing.assert_close(cut[4], second[1])


@pytest.mark.parametrize(("count", "overlap"), [(3, 0), (7, 2), (6, 1)])
def test_transparency_works_with_padding_and_overlap(count: int, overlap: int) -> None:
    frames = _frames(count, channels=4)
    for frame in frames:
        frame[..., 3] = np.where(np.arange(20) < 10, 0, 255)
    images = _run(frames, overlap=overlap)
    assert all(image.shape == (30, 42, 4) for image in images)
    alpha = torch.stack(images)[..., 3]
    assert alpha[:, :, :10].mean() < 0.05 and alpha[:, :, -10:].mean() > 0.95


def test_deep_frames_are_read_in_full_depth() -> None:
    deep = _frames(1, dtype=np.uint16)
    shallow = [(frame >> 8).astype(np.uint8) for frame in deep]
    assert torch.equal(to_float(np.full((1, 1, 3), 65535, np.uint16), torch.device("cpu")), torch.ones(1, 1, 3))
    assert not torch.equal(_run(deep)[0], _run(shallow)[0])


def test_values_are_rounded_not_truncated() -> None:
    image = torch.tensor([[[0.0, 0.4999, 0.5001], [0.998, 0.9981, 1.0]]])
    assert to_integer(image, 8).tolist() == [[[0, 127, 128], [254, 255, 255]]]
    assert to_integer(image, 16).dtype == torch.uint16 and to_integer(image.mT, 8).is_contiguous()
    assert to_integer(image, 16)[0, 0].tolist() == [0, 32761, 32774]


def test_noise_on_input_and_latent_changes_the_result() -> None:
    plain = _run(_frames(1))[0]
    for settings in (RestoreSettings(input_noise_scale=1.0), RestoreSettings(latent_noise_scale=0.5)):
        assert not torch.allclose(plain, _run(_frames(1), settings)[0], atol=1e-3)


def test_tiles_run_through_the_same_way() -> None:
    images = _run(_frames(5), RestoreSettings(tiling=Tiling((32, 32), (8, 8))))
    assert len(images) == 5 and all(image.isfinite().all() for image in images)


def test_stages_are_told_and_can_stop_the_work() -> None:
    seen: list[tuple[str, float]] = []

    def on_stage(stage: str, share: float) -> None:
        seen.append((stage, share))
        if stage == "decoding" and share > 0:
            raise InterruptedError

    restorer = BatchRestorer(_model(), RestoreSettings(), on_stage)
    with pytest.raises(InterruptedError):
        list(restore_stream(_frames(9), lambda frame: frame, restorer, StreamSettings(SIZES)))
    assert [stage for stage, share in seen if share == 0] == ["encoding", "restoring", "decoding"]
    assert [share for stage, share in seen if stage == "encoding"] == sorted({s for n, s in seen if n == "encoding"})


def test_lab_matches_by_rank_only_where_colours_drift() -> None:
    def images(method: str, **config: bool) -> torch.Tensor:
        model = replace(_model(), vae=random_vae(replace(SMALL_VAE, **config)))
        restorer = BatchRestorer(model, RestoreSettings())
        settings = StreamSettings(SIZES, color_correction=method)
        return torch.stack([image for _, image in restore_stream(_frames(2), lambda frame: frame, restorer, settings)])

    torch.testing.assert_close(images("lab", keeps_colours=True), images("wavelet"))
    assert not torch.allclose(images("lab"), images("wavelet"), atol=1e-2)
    torch.testing.assert_close(images("adain", keeps_colours=True), images("adain"))


def test_no_more_than_two_batches_of_the_source_are_read_ahead() -> None:
    read = 0

    def source() -> Iterator[np.ndarray]:
        nonlocal read
        for frame in _frames(40):
            read += 1
            yield frame

    restorer = BatchRestorer(_model(), RestoreSettings())
    ahead = 0
    for done, _ in enumerate(
        restore_stream(source(), lambda frame: frame, restorer, StreamSettings(SIZES, overlap=2)), 1
    ):
        ahead = max(ahead, read - done)
    assert done == 40 and ahead <= 10


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"overlap": 2},
        {"prepend": 3},
        {"uniform": True, "batch_size": 9},
        {"overlap": 1, "prepend": 2, "color_correction": "wavelet_adaptive"},
        {"color_correction": "adain", "batch_size": 9},
    ],
)
def test_each_shot_comes_out_as_it_would_alone(settings: dict[str, object]) -> None:
    shots = [list(pixels(scene(seed, length, step=2))) for seed, length in enumerate((7, 4, 6))]
    clip = [frame for shot in shots for frame in shot]
    # Another noise for each batch of a clip: they are counted from the shot's beginning.
    restore = RestoreSettings(
        input_noise_scale=0.5,
        noise=lambda index, shape: torch.randn(shape, generator=torch.Generator().manual_seed(index)),
    )
    together = _run(clip, restore, sizes=SCENE_SIZES, shots=True, **settings)
    alone = [image for shot in shots for image in _run(shot, restore, sizes=SCENE_SIZES, **settings)]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))
    if not settings:
        mixed = _run(clip, restore, sizes=SCENE_SIZES)
        assert torch.equal(mixed[4], alone[4]) and not torch.allclose(mixed[7], alone[7], atol=1e-2)


def test_telling_shots_apart_reads_a_few_frames_more() -> None:
    read = 0

    def source() -> Iterator[np.ndarray]:
        nonlocal read
        for frame in pixels(scene(1, 13, step=2), scene(2, 14, step=2)):
            read += 1
            yield frame

    settings = StreamSettings(SCENE_SIZES, shots=True)
    restored = restore_stream(source(), lambda frame: frame, BatchRestorer(_model(), RestoreSettings()), settings)
    ahead = [read - done for done, _ in enumerate(restored)]
    assert len(ahead) == 27 and max(ahead) <= 5 + 1 + LOOKAHEAD


def test_a_vae_that_keeps_time_needs_no_padding() -> None:
    still = replace(SMALL_VAE, kernel=1, down_kernels=(1, 1), up_factors=(1, 1))
    model = replace(_model(), vae=random_vae(still))
    lengths: list[int] = []

    class Counting(BatchRestorer):
        def restore(self, frames: torch.Tensor, index: int) -> torch.Tensor:
            lengths.append(frames.shape[1])
            return super().restore(frames, index)

    restorer = Counting(model, RestoreSettings())
    images = list(restore_stream(_frames(7), lambda frame: frame, restorer, StreamSettings(SIZES, batch_size=4)))
    assert len(images) == 7 and lengths == [4, 3]


def _poisoned(part: str) -> Model:
    """A model of which one bias is no number, as in a damaged file."""
    model = _model()
    network = model.dit if part == "restoring" else model.vae
    names = {"encoding": "encoder.conv_out.bias", "decoding": "decoder.conv_out.bias", "restoring": "vid_out.proj.bias"}
    network.get_parameter(names[part]).data[0] = float("nan")
    return model


@pytest.mark.parametrize("part", ["encoding", "restoring", "decoding"])
@pytest.mark.parametrize("tiling", [None, Tiling((16, 16), (4, 4))])
def test_frames_that_are_no_numbers_are_an_error_and_never_given_out(part: str, tiling: Tiling | None) -> None:
    restorer = BatchRestorer(_poisoned(part), RestoreSettings(tiling=tiling))
    stream = restore_stream(_frames(2), lambda frame: frame, restorer, StreamSettings(SIZES))
    with pytest.raises(NumericError, match=f"The result of {part}"):
        next(stream)


def test_colours_that_are_no_numbers_are_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(method: str, content: torch.Tensor, style: object) -> torch.Tensor:
        return content.clone().index_fill_(0, torch.tensor(0), float("inf"))

    monkeypatch.setattr("seedvr2.colour.correct", spoil)
    restorer = BatchRestorer(_model(), RestoreSettings())
    with pytest.raises(NumericError, match="colour correction"):
        next(restore_stream(_frames(2), lambda frame: frame, restorer, StreamSettings(SIZES)))


def test_what_overflows_is_computed_in_a_wider_type_and_said_once_for_each_stage() -> None:
    def images(vae_dtype: torch.dtype, dit_dtype: torch.dtype) -> tuple[torch.Tensor, list[str]]:
        model = replace(_model(), dtype=dit_dtype)
        # Sound in float32; what they give between lies beyond float16. Norms behind it undo the factor.
        for layer in (model.vae.encoder.conv_in, model.vae.decoder.conv_in, model.dit.vid_in.proj):
            layer.weight.data.mul_(6e4 / layer.weight.abs().max())
        model.vae.dtype = vae_dtype
        restorer = BatchRestorer(model, RestoreSettings())
        settings = StreamSettings(SIZES, color_correction="none")
        stream = restore_stream(_frames(12), lambda frame: frame, restorer, settings)
        return torch.stack([image for _, image in stream]), restorer.warnings

    wanted, silence = images(torch.float32, torch.float32)
    got, warnings = images(torch.float16, torch.float16)
    assert silence == []
    assert [sentence.split(",")[0] for sentence in warnings] == ["In encoding", "In restoring", "In decoding"]
    # The latent and the noise were rounded to float16 on their way.
    torch.testing.assert_close(got, wanted, atol=2e-2, rtol=0)


def test_the_vae_computes_in_a_type_of_its_own() -> None:
    model = _model()
    given: list[torch.dtype] = []
    for half in (model.vae.encoder, model.vae.decoder):
        half.conv_in.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0].frames.dtype))
    model.vae.dtype = torch.bfloat16
    restorer = BatchRestorer(model, RestoreSettings())
    images = [image for _, image in restore_stream(_frames(1), lambda frame: frame, restorer, StreamSettings(SIZES))]
    assert given == [torch.bfloat16] * 2 and images[0].dtype == torch.float32
