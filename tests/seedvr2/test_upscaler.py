"""Files in, files out, with nano and with small models on disk."""

from __future__ import annotations

import errno
import resource
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from seedvr2 import UpscaleOptions, Upscaler, workshop
from seedvr2.errors import (
    Cancelled,
    MachineError,
    MediaError,
    ModelNotInstalledError,
    NeverFitsError,
    OptionError,
    OutOfMemoryError,
)
from seedvr2.media import Frame, Pixels, open_source
from seedvr2.media.videos.segment_sink import SegmentSink
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.network import fused
from seedvr2.network.compiled import Compilable
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.planning.card import SimulatedLayer
from seedvr2.progress import Progress
from tests.seedvr2.media import clips
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.network.networks import random_dit, random_vae
from tests.seedvr2.segments.scenes import pixels, scene

CLIP = Path(__file__).parents[2] / "benchmarks" / "assets" / "city.mp4"
SMALL = UpscaleOptions(resolution=64)


@pytest.fixture(scope="module")
def nano() -> Upscaler:
    return Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    y, x = np.mgrid[:36, :50]
    pixels = np.stack([120 + 100 * np.sin(x / 5), 120 + 100 * np.cos(y / 4), 128 + x], -1).clip(0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def test_a_picture_comes_back_larger_and_looks_the_same(nano: Upscaler, picture: Path, tmp_path: Path) -> None:
    result = nano.upscale(picture, tmp_path / "out.png", UpscaleOptions(resolution=72))
    with Image.open(result.path) as image:
        assert image.size == (result.width, result.height) == (100, 72)
        got = np.asarray(image, np.float64)
    with Image.open(picture) as image:
        wanted = np.asarray(image.resize((100, 72), Image.Resampling.BICUBIC), np.float64)
    assert (result.model, result.frames, result.tiled) == ("nano", 1, False)
    assert 10 * np.log10(255**2 / ((got - wanted) ** 2).mean()) > 30


def test_a_scale_and_a_strength_of_nothing_give_the_plain_resize(nano: Upscaler, picture: Path, tmp_path: Path) -> None:
    result = nano.upscale(picture, tmp_path / "out.png", UpscaleOptions(scale=2.0, strength=0.0))
    with Image.open(picture) as image:
        source = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    wanted = (bicubic(source, (100, 72)).clamp(0, 1)[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    with Image.open(result.path) as image:
        assert image.size == (100, 72)
        assert np.array_equal(np.asarray(image), wanted.numpy())
    full = nano.upscale(picture, tmp_path / "full.png", UpscaleOptions(scale=2.0))
    same = nano.upscale(picture, tmp_path / "same.png", UpscaleOptions(resolution=72))
    assert full.path.read_bytes() == same.path.read_bytes() != result.path.read_bytes()
    assert nano.plan(picture, UpscaleOptions(scale=2.0)).output_size == (100, 72)


def test_a_result_that_is_smaller_than_its_source_comes_with_a_warning(
    nano: Upscaler, picture: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (1096, 1088), "teal").save(large)
    result = nano.upscale(large, tmp_path / "out.png", UpscaleOptions())
    assert (result.width, result.height) == (1086, 1080)
    assert [sentence for sentence in result.warnings if "smaller than the source" in sentence]
    assert nano.upscale(picture, tmp_path / "same.png", UpscaleOptions(scale=1.0)).warnings == ()


def test_a_video_keeps_its_frames_and_times(nano: Upscaler, tmp_path: Path) -> None:
    reports: list[Progress] = []
    target = tmp_path / "out.mp4"
    result = nano.upscale(CLIP, target, SMALL, on_progress=reports.append)
    with av.open(str(CLIP)) as before, av.open(str(target)) as after:
        stream = after.streams.video[0]
        assert (stream.width, stream.height) == (112, 64)
        times = [[frame.time for frame in container.decode(video=0)] for container in (before, after)]
    assert times[0] == times[1] and result.frames == len(times[0]) == 24
    assert [report.stage for report in reports[:3]] == ["scanning", "loading", "encoding"]
    work = [report.work_done for report in reports]
    assert work == sorted(work) and reports[-1].frames_done == 24 and reports[-1].fraction == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(("suffix", "layout"), [(".webm", "bgra"), (".mov", "bgra"), (".mov", "yuva444p10le")])
def test_each_frame_of_a_transparent_video_keeps_its_own_transparency(
    nano: Upscaler, tmp_path: Path, suffix: str, layout: str
) -> None:
    """Two batches with an overlap; what is seen moves to the right by 8 pixels a frame."""
    frames = []
    for index in range(8):
        alpha = np.zeros((32, 96), np.uint8)
        alpha[:, 4 + 8 * index : 28 + 8 * index] = 255
        frames.append(np.dstack([clips.picture(96, 32, index), alpha]))
    clip = clips.write_video(tmp_path / "in.mkv", frames, codec="ffv1", layout=layout, options={})
    options = UpscaleOptions(resolution=64, temporal_overlap=2)
    result = nano.upscale(clip, tmp_path / f"out{suffix}", options)
    assert (result.width, result.height, result.frames) == (192, 64, 8)
    assert not any("transparent" in warning or "bits" in warning for warning in result.warnings)
    for index, frame in enumerate(open_source(result.path).frames()):
        alpha = frame.image[32, :, 3] / np.iinfo(frame.image.dtype).max
        seen = np.flatnonzero(alpha > 0.5)
        assert abs(seen[0] - (8 + 16 * index)) <= 2
        assert abs(seen[-1] - (55 + 16 * index)) <= 2


def test_each_shot_is_restored_by_itself_unless_told_otherwise(nano: Upscaler, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", list(pixels(scene(1, 7, step=2), scene(2, 7, step=2))))

    def batches(**options: str) -> int:
        reports: list[Progress] = []
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4"
        asked = UpscaleOptions(resolution=32, stitching="batch", **options)
        result = nano.upscale(source, target, asked, on_progress=reports.append)
        assert result.frames == 14
        return sum(report.stage == "restoring" for report in reports) // 2

    assert batches() == batches(shots="auto") == 4  # 5 + 2 frames of each
    assert batches(shots="off") == 3


def test_a_job_can_be_stopped_and_leaves_nothing(nano: Upscaler, tmp_path: Path) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 8

    with pytest.raises(Cancelled, match=r"city\.mp4 was cancelled"):
        nano.upscale(CLIP, tmp_path / "out.mp4", SMALL, cancelled=cancelled)
    assert list(tmp_path.iterdir()) == [] and asked == 9


def test_a_source_that_fails_in_the_middle_is_told_as_what_it_is(
    nano: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = VideoSource.frames

    def gone(self: VideoSource, first: int = 0) -> Iterator[Frame]:
        yield from islice(whole(self, first), 7)
        raise MachineError("The share is gone.", errno.ESTALE)

    monkeypatch.setattr(VideoSource, "frames", gone)
    with pytest.raises(MachineError, match="The share is gone"):
        nano.upscale(CLIP, tmp_path / "out.mp4", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_ends_the_job(nano: Upscaler, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Less than the file takes; the system then refuses as it does on a full disk, with another number.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(MediaError, match=r"out\.mp4 has become larger than its disk allows"):
            nano.upscale(CLIP, tmp_path / "out.mp4", SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_before_there_is_more_to_write(
    nano: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def full(self: SegmentSink, image: Pixels, frame: Frame) -> None:
        tried.set()
        raise MachineError("The disk is full.", errno.ENOSPC)

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.frames_done == 5 and progress.stage == "encoding":
            assert tried.wait(10)

    seen: list[Progress] = []
    monkeypatch.setattr(SegmentSink, "write", full)
    with pytest.raises(MachineError, match="The disk is full"):
        nano.upscale(CLIP, tmp_path / "out.mp4", SMALL, on_progress=on_progress)
    assert max(progress.frames_done for progress in seen) <= 5 and list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(nano: Upscaler, tmp_path: Path) -> None:
    def on_progress(progress: Progress) -> None:
        if progress.frames_done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nano.upscale(CLIP, tmp_path / "out.mp4", SMALL, on_progress=on_progress)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_overwritten(nano: Upscaler, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")
    with pytest.raises(MediaError, match=r"out\.png"):
        nano.upscale(picture, target, SMALL)
    assert target.read_bytes() == b"precious"


def test_what_is_no_picture_is_refused(nano: Upscaler, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_text("not a picture")
    with pytest.raises(MediaError, match=r"in\.png"):
        nano.upscale(tmp_path / "in.png", tmp_path / "out.png", SMALL)
    assert not (tmp_path / "out.png").exists()


def test_tiles_are_used_where_asked(nano: Upscaler, tmp_path: Path) -> None:
    Image.effect_noise((700, 40), 60).convert("RGB").save(tmp_path / "in.png")
    options = UpscaleOptions(resolution=40, vae_tiling="on", vae_quality="low")
    tiled = nano.upscale(tmp_path / "in.png", tmp_path / "tiled.png", options)
    whole = nano.upscale(tmp_path / "in.png", tmp_path / "whole.png", UpscaleOptions(resolution=40, vae_tiling="off"))
    assert (tiled.tiled, whole.tiled) == (True, False)
    with Image.open(tiled.path) as a, Image.open(whole.path) as b:
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).mean() < 4


def test_a_model_on_disk_runs_and_stays_until_another_is_asked_for(tmp_path: Path, picture: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    dit = {k: v.clone() for k, v in random_dit().state_dict().items()}
    save_file(dit | {"positive_conditioning": torch.randn(5, 24)}, models / "mine.safetensors")
    save_file(random_vae().state_dict(), models / "ema_vae_fp16.safetensors", {"norm_num_groups": "4"})
    upscaler = Upscaler(models, device="cpu", dtype="float32")
    assert upscaler.model is None
    result = upscaler.upscale(picture, tmp_path / "a.png", SMALL, model="mine.safetensors")
    assert result.model == upscaler.model == "mine.safetensors"
    assert upscaler.upscale(picture, tmp_path / "b.png", SMALL, model="nano").model == "nano"
    upscaler.unload()
    assert upscaler.model is None
    with pytest.raises(ModelNotInstalledError):
        upscaler.upscale(picture, tmp_path / "c.png", SMALL, model="seedvr2_ema_7b_fp16.safetensors")


def test_out_of_memory_is_an_error_that_says_what_to_do(
    nano: Upscaler, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(BatchRestorer, "decode", fail)
    with pytest.raises(OutOfMemoryError, match="vae_tiling = on"):
        nano.upscale(picture, tmp_path / "out.png", SMALL)
    assert not (tmp_path / "out.png").exists()


def test_a_plan_says_what_a_job_would_take(nano: Upscaler) -> None:
    plan = nano.plan(CLIP, UpscaleOptions(resolution=360, batch_size=9))
    assert (plan.model, plan.source_size, plan.output_size) == ("nano", (320, 180), (640, 360))
    assert (plan.frames, plan.batches, plan.batch_frames, plan.tile) == (24, 4, 9, None)
    assert plan.fits and plan.seconds and plan.peak_bytes > plan.weights_bytes > 5_000_000
    larger = nano.plan(CLIP, UpscaleOptions(resolution=720, batch_size=9))
    assert larger.operations > 3 * plan.operations and larger.peak_bytes > plan.peak_bytes


def test_a_job_that_runs_out_of_memory_is_made_again_with_less(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, decode = UpscaleOptions(resolution=600), BatchRestorer.decode
    tilings: list[int | None] = []

    def fail_first(self: BatchRestorer, latent: torch.Tensor) -> torch.Tensor:
        tilings.append(self.settings.tiling.size[0] if self.settings.tiling else None)
        if len(tilings) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(self, latent)

    monkeypatch.setattr(BatchRestorer, "decode", fail_first)
    card = SimulatedLayer(24)
    memory = tmp_path / "memory.json"
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32", layer=card, memory=memory)
    result = upscaler.upscale(picture, tmp_path / "out.png", whole)
    assert (result.width, result.height) == (832, 600) and result.tiled
    assert tilings == [None, 512]
    assert (
        "Memory ran out with whole frames, batches of 1, so it was made again with tiles of 512" in result.warnings[-1]
    )
    # Remembered: another process starts with what worked.
    tilings.append(None)
    again = Upscaler(tmp_path, device="cpu", dtype="float32", layer=card, memory=memory)
    assert again.upscale(picture, tmp_path / "again.png", whole).warnings == ()
    assert tilings[-1] == 512


def test_out_of_memory_is_tried_again_once_only(
    nano: Upscaler, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[object] = []

    def fail(*arguments: object) -> None:
        runs.append(arguments)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(BatchRestorer, "decode", fail)
    with pytest.raises(OutOfMemoryError, match="vae_tiling = on"):
        nano.upscale(picture, tmp_path / "out.png", UpscaleOptions(resolution=600))
    assert len(runs) == 2 and not (tmp_path / "out.png").exists()


def test_what_failed_twice_is_not_where_the_next_job_begins(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = UpscaleOptions(resolution=780)
    tiles: list[int | None] = []

    def fail_above_512(self: BatchRestorer, latent: torch.Tensor) -> torch.Tensor:
        tiles.append(self.settings.tiling.size[0] if self.settings.tiling else None)
        if tiles[-1] != 512:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.zeros(3, 1, latent.shape[1] * 8, latent.shape[2] * 8)

    monkeypatch.setattr(BatchRestorer, "decode", fail_above_512)
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32", layer=SimulatedLayer(24))
    with pytest.raises(OutOfMemoryError):
        upscaler.upscale(picture, tmp_path / "out.png", whole)
    assert upscaler.upscale(picture, tmp_path / "out.png", whole).warnings == ()
    assert tiles == [None, 768, 512]


@pytest.mark.long
def test_200_jobs_keep_their_model_and_their_plan(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a card that the model fills to more than a half."""
    models = tmp_path / "models"
    models.mkdir()
    dit = {k: v.clone() for k, v in random_dit().state_dict().items()}
    save_file(dit | {"positive_conditioning": torch.randn(5, 24)}, models / "mine.safetensors")
    save_file(random_vae().state_dict(), models / "ema_vae_fp16.safetensors", {"norm_num_groups": "4"})
    upscaler = Upscaler(models, device="cpu", dtype="float32", layer=SimulatedLayer(8), memory=tmp_path / "memory.json")
    loads: list[str] = []
    load = workshop.load_model
    monkeypatch.setattr(
        workshop, "load_model", lambda files, **kwargs: loads.append(files.name) or load(files, **kwargs)
    )
    outcomes = set()
    for index in range(200):
        result = upscaler.upscale(picture, tmp_path / f"{index}.png", UpscaleOptions(resolution=16))
        outcomes.add((result.model, result.tiled, len(result.warnings)))
    assert outcomes == {("mine.safetensors", False, 0)} and loads == ["mine.safetensors"]


def test_a_job_that_no_card_of_this_size_can_hold_is_refused_before_it_starts(picture: Path, tmp_path: Path) -> None:
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32", layer=SimulatedLayer(8))
    reports: list[Progress] = []
    with pytest.raises(NeverFitsError, match="use resolution = "):
        upscaler.upscale(picture, tmp_path / "out.png", UpscaleOptions(resolution=16384), on_progress=reports.append)
    assert reports == [] and upscaler.model is None


def test_there_is_no_such_device_or_type() -> None:
    with pytest.raises(OptionError, match="cuda:7"):
        Upscaler(Path("models"), device="cuda:7")
    with pytest.raises(OptionError, match="float64"):
        Upscaler(Path("models"), device="cpu", dtype="float64")


@pytest.mark.parametrize("wanted", [False, True])
def test_the_transformer_is_compiled_only_where_that_is_asked_for(
    wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(formula: Callable[..., None], **_: object) -> None:
        asked.append(formula.__name__)
        raise RuntimeError("no compiler")

    norm = fused._NORM
    monkeypatch.setattr(fused, "_NORM", Compilable("norm", norm._formula, norm._plain))
    monkeypatch.setattr(torch, "compile", refuse)
    source = tmp_path / "a.png"
    Image.new("RGB", (24, 16), (200, 30, 30)).save(source)
    given = {"compile": True} if wanted else {}
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32", default_model="nano", **given)
    upscaler.upscale(source, tmp_path / "b.png", UpscaleOptions(resolution=32))
    assert len(asked) == wanted
