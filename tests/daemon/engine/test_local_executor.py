"""The executor that the service really uses, with the embedded model."""

from __future__ import annotations

import gc
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from daemon.engine.executor import Executor
from daemon.engine.local_executor import LocalExecutor
from daemon.jobs.job import Media
from daemon.settings.keys import ModelSettings
from seedvr2.errors import Cancelled, CheckpointError, MediaError
from seedvr2.options import UpscaleOptions
from tests.daemon.conftest import Start, eventually, picture

NANO = "nano"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def executor(tmp_path: Path) -> LocalExecutor:
    return LocalExecutor(tmp_path / "models", ModelSettings(device="cpu", dtype="float32"))


def clip(path: Path, frames: int = 6) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(frames):
            image = np.full((32, 48, 3), 20 * number % 256, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_it_obeys_the_protocol(executor: LocalExecutor) -> None:
    as_executor: Executor = executor
    assert as_executor.model is None


def test_what_a_job_would_take_is_known_without_its_file_and_without_a_model_in_memory(executor: LocalExecutor) -> None:
    film = Media("video", 480, 270, 7200, 24.0, 300.0, formats=("mp4", "mkv"))

    def foresee(resolution: int, model: str = "", *, timed: bool = True) -> dict[str, Any]:
        options = UpscaleOptions(resolution=resolution, max_resolution=16384)
        return executor.foresee(film, options, model=model, suffix=".mp4", size=10**8, timed=timed)

    plan = foresee(540)
    assert (plan["model"], plan["fits"], plan["why"], plan["frames_together"]) == (NANO, True, None, 5)
    # At 0.2 bits a pixel, and twice that while its segments are joined.
    assert (plan["result_bytes"], plan["disk_bytes"]) == (960 * 540 * 7200 // 40, 960 * 540 * 7200 // 20)
    assert plan["weights_bytes"] < plan["memory_bytes"] < plan["memory_free_bytes"]
    assert plan["seconds"] > 60
    assert foresee(540, timed=False)["seconds"] is None
    assert executor.model is None
    huge = foresee(9216)
    assert huge["fits"] is False and "of memory" in huge["why"] and huge["memory_bytes"] is None
    gone = foresee(540, "seedvr2_ema_3b_fp16.safetensors")
    assert gone["fits"] is False and "Fetch it with" in gone["why"]


def test_probing(executor: LocalExecutor, tmp_path: Path) -> None:
    media = executor.probe(clip(tmp_path / "a.mp4"))
    assert (media.kind, media.width, media.height, media.frames, media.fps) == ("video", 48, 32, 6, 10.0)
    media = executor.probe(picture(tmp_path / "a.png"))
    assert (media.kind, media.width, media.height, media.frames) == ("picture", 32, 24, 1)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "half.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    for name in ("text.mp4", "half.png", "missing.png"):
        with pytest.raises(MediaError):
            executor.probe(tmp_path / name)


def test_models_are_listed_and_resolved(executor: LocalExecutor) -> None:
    assert [model["name"] for model in executor.models(everything=False)] == [NANO]
    everything = executor.models(everything=True)
    assert len(everything) >= 13
    documented = {"name", "params", "precision", "size", "vram", "variant", "desc", "available", "sha256_ok", "bytes"}
    for model in everything:
        assert documented <= set(model)
        assert {"en", "zh-CN", "zh-TW", "ja"} <= set(model["desc"])
        assert model["available"] == (model["name"] == NANO)
    assert executor.resolve("auto") == executor.resolve("") == NANO
    with pytest.raises(CheckpointError, match="pull"):
        executor.resolve("seedvr2_ema_3b_fp16.safetensors")
    with pytest.raises(CheckpointError):
        executor.resolve("../../etc/passwd")


# Loads the engine under a limit of this process, and again without it.
LOAD = """
import os, resource, sys
from pathlib import Path
from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from seedvr2.errors import SeedVR2Error
executor = LocalExecutor(Path("nowhere"), ModelSettings(device="cpu"))
kind = getattr(resource, sys.argv[1])
soft, hard = resource.getrlimit(kind)
used = len(os.listdir("/proc/self/fd")) - 1, int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(kind, (used[0] if kind == resource.RLIMIT_NOFILE else used[1] + (50 << 20), hard))
try:
    executor.prepare()
except SeedVR2Error as error:
    print(type(error).__name__, getattr(error, "errno", 0))
resource.setrlimit(kind, (soft, hard))
executor.prepare()
print(executor.resolve("nano"))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not tell")
@pytest.mark.parametrize(("limit", "said"), [("RLIMIT_NOFILE", "MachineError 24"), ("RLIMIT_AS", "OutOfMemoryError 0")])
def test_an_engine_that_cannot_be_loaded_now_can_be_later(limit: str, said: str) -> None:
    run = subprocess.run([sys.executable, "-c", LOAD, limit], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.splitlines() == [said, NANO]


def test_a_model_file_that_lies_is_listed_with_the_reason(executor: LocalExecutor, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("bomb.gguf", "seedvr2_ema_3b-Q8_0.gguf"):
        # An array of 2^63 elements in 51 bytes.
        (models / name).write_bytes(
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 0, 1 << 63) + b"\0\0"
        )
    for everything in (False, True):
        listed = executor.models(everything)
        assert len(listed) == len({model["name"] for model in listed})
        files = {model["name"]: model for model in listed}
        own, known = files["bomb.gguf"], files["seedvr2_ema_3b-Q8_0.gguf"]
        for model in (own, known):
            assert {"name", "params", "precision", "size", "vram", "variant", "desc", "sha256_ok"} <= set(model)
            assert model["available"] is False and model["bytes"] == 51
            assert "more values in arrays than a weight file needs" in model["error"]
        assert (own["downloadable"], known["downloadable"], known["params"]) == (False, True, "3B")
        assert files[NANO]["available"]
    with pytest.raises(CheckpointError, match="more values in arrays"):
        executor.resolve("bomb.gguf")


def test_a_known_model_counts_as_here_where_it_may_be_fetched(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, ModelSettings(device="cpu", auto_download=True))
    assert executor.resolve("3b_fp8") == "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
    with pytest.raises(CheckpointError):
        executor.resolve("seedvr9_ema")


def test_a_model_is_fetched_when_a_job_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = LocalExecutor(tmp_path, ModelSettings(device="cpu", auto_download=True))
    fetched: list[str] = []

    def pull(names: list[str], _folder: Path, *, on_progress: object) -> None:
        fetched.extend(names)
        on_progress(None, "fetching", 1, 2)  # type: ignore[operator]

    monkeypatch.setattr("seedvr2.catalogue.pull.pull", pull)
    source, stages = picture(tmp_path / "a.png"), list[str]()
    with pytest.raises(Cancelled):
        executor.run(
            source, tmp_path / "b.png", UpscaleOptions(), model="3b_fp8",
            on_progress=lambda stage, *_more: stages.append(stage), cancelled=lambda: True, keep=tmp_path / "segments",
        )  # fmt: skip
    assert fetched == ["seedvr2_ema_3b_fp8_e4m3fn.safetensors"]


def test_a_run_reports_and_can_be_cancelled(executor: LocalExecutor, tmp_path: Path) -> None:
    source, target = clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    shares: list[float] = []

    def note(_stage: str, _done: int, _total: int | None, share: float | None, *_more: object) -> None:
        shares.append(share or 0.0)

    options = UpscaleOptions(resolution=64, batch_size=5)
    keep = tmp_path / "segments"
    outcome = executor.run(source, target, options, model="", on_progress=note, cancelled=lambda: False, keep=keep)
    assert (outcome.model, outcome.width, outcome.height, outcome.frames) == (NANO, 96, 64, 6)
    assert executor.model == NANO
    assert shares == sorted(shares)
    target.unlink()
    with pytest.raises(Cancelled):
        executor.run(
            source, target, options, model="", on_progress=note, cancelled=lambda: len(shares) > 3,
            keep=tmp_path / "other",
        )  # fmt: skip
    assert not target.exists()
    executor.unload()
    assert executor.model is None


def test_unloading_lets_go_of_the_tensors(executor: LocalExecutor) -> None:
    import torch

    def held() -> int:
        gc.collect()
        tensors = (each for each in gc.get_objects() if issubclass(type(each), torch.Tensor))
        return sum(each.nbytes for each in tensors)

    executor.prepare()
    before = held()
    executor.load(NANO)
    assert held() > before + 1_000_000
    executor.unload()
    assert held() < before + 1_000_000


def test_the_whole_service_with_the_real_engine(start: Start, tmp_path: Path) -> None:
    running = start(LocalExecutor(tmp_path / "models", ModelSettings(device="cpu")), SEEDVR2_DEFAULTS_RESOLUTION="64")
    picture(running.inbox / "a.png")
    clip(tmp_path / "b.mp4").rename(running.inbox / "b.mp4")
    eventually(lambda: len(running.history()) == 2, 60)
    with Image.open(next(running.outputs.glob("a_nano_64p_*.png"))) as image:
        assert image.height == 64
        assert image.width in (84, 85, 86)
    with av.open(str(next(running.outputs.glob("b_nano_64p_*.mp4")))) as container:
        assert container.streams.video[0].height == 64
    assert running.get("/api/models").json()["current"] == NANO
