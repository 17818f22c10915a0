"""Jobs that this machine cannot hold are refused before they begin; what it says would fit does fit."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from seedvr2.errors import MemoryTakenError, NeverFitsError, OutOfMemoryError
from seedvr2.media import MediaInfo
from seedvr2.model import load_model
from seedvr2.options import MAX_EDGE, UpscaleOptions
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.sizes import sizes_of
from seedvr2.planning import host_memory
from seedvr2.planning.frame_memory import JobSize, check_job
from seedvr2.selection import NANO
from seedvr2.upscaler import Upscaler

ROOT = Path(__file__).parents[3]
GIB = 1 << 30
MULTIPLE = 16


def job(width: int, height: int, options: UpscaleOptions, *, frames: int = 1, batch: int = 1) -> JobSize:
    model = load_model(NANO, models_dir=Path("nowhere"), device=torch.device("cpu"), dtype=torch.float32)
    kind = "video" if frames > 1 else "picture"
    info = MediaInfo(kind, width, height, frames, None, None, has_alpha=False, bit_depth=8, codec="", format="")
    sizes = sizes_of((width, height), options, MULTIPLE)
    return JobSize(info, sizes, batch, None, model.dit.config, model.vae.config, model.dtype)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine of 8 GiB of which 7 are free."""
    monkeypatch.setattr(host_memory, "capacity", lambda: 8 * GIB)
    monkeypatch.setattr(host_memory, "obtainable", lambda: 7 * GIB)
    return monkeypatch


@pytest.mark.parametrize(
    ("width", "height", "resolution", "frames", "batch"),
    [(4000, 3000, 1080, 1, 1), (4000, 3000, 2160, 1, 1), (640, 360, 1080, 50, 5), (1920, 1080, 1080, 50, 5)],
)
@pytest.mark.usefixtures("machine")
def test_what_works_on_an_ordinary_machine_is_let_through(
    width: int, height: int, resolution: int, frames: int, batch: int
) -> None:
    """All of these have been run in a group of that size."""
    options = UpscaleOptions(resolution=resolution)
    check_job(replace(job(width, height, options, frames=frames, batch=batch), tile=512), options, MULTIPLE)


@pytest.mark.usefixtures("machine")
def test_what_can_never_fit_says_what_would() -> None:
    options = UpscaleOptions(resolution=16384)
    with pytest.raises(NeverFitsError, match=r"16384 x 16384 pixels takes \d+\.\d GB of memory at the least") as caught:
        check_job(job(512, 512, options), options, MULTIPLE)
    found = re.search(r"use resolution = (\d+) or less", str(caught.value))
    assert found
    largest = int(found[1])
    assert 2000 < largest < 8000
    smaller = UpscaleOptions(resolution=largest)
    assert job(512, 512, smaller).least().total() <= 8 * GIB
    much = UpscaleOptions(resolution=largest * 5 // 4)
    assert job(512, 512, much).least().total() > 8 * GIB


@pytest.mark.usefixtures("machine")
def test_where_a_scale_is_asked_for_a_resolution_is_advised_in_its_place() -> None:
    options = UpscaleOptions(scale=32.0)
    with pytest.raises(NeverFitsError, match=r"use resolution = (\d+) or less instead of scale\.") as caught:
        check_job(job(512, 512, options), options, MULTIPLE)
    found = re.search(r"resolution = (\d+)", str(caught.value))
    assert found and 2000 < int(found[1]) < 8000


@pytest.mark.usefixtures("machine")
def test_a_source_that_is_too_large_at_any_resolution() -> None:
    options = UpscaleOptions(resolution=4000)
    with pytest.raises(NeverFitsError, match="scale the source down first"):
        check_job(job(20000, 20000, options), options, MULTIPLE)


@pytest.mark.usefixtures("machine")
def test_a_batch_that_is_too_large_may_be_tried_again_with_a_smaller_one() -> None:
    options = UpscaleOptions(resolution=1080, batch_size=101)
    with pytest.raises(OutOfMemoryError, match="use a smaller batch_size") as caught:
        check_job(job(1920, 1080, options, frames=500, batch=101), options, MULTIPLE)
    assert not isinstance(caught.value, NeverFitsError)


def test_what_does_not_fit_now_may_fit_later(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(host_memory, "obtainable", lambda: GIB)
    options = UpscaleOptions(resolution=2160)
    with pytest.raises(MemoryTakenError, match="try again when less is running"):
        check_job(job(4000, 3000, options), options, MULTIPLE)
    # Not while something runs that gives it back before.
    check_job(job(4000, 3000, options), options, MULTIPLE, held=16 * GIB)


def test_no_edge_becomes_longer_than_codecs_take(tmp_path: Path) -> None:
    Image.new("RGB", (4096, 16)).save(tmp_path / "line.png")
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32")
    assert upscaler.plan(tmp_path / "line.png", UpscaleOptions()).output_size == (MAX_EDGE, 64)
    smaller = upscaler.plan(tmp_path / "line.png", UpscaleOptions(max_resolution=1024))
    assert smaller.output_size == (1024, 4)


def test_a_line_is_made_as_long_as_it_can_be_and_that_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (512, 1)).save(tmp_path / "line.png")
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32")
    result = upscaler.upscale(tmp_path / "line.png", tmp_path / "out.png", UpscaleOptions(resolution=64))
    assert (result.width, result.height) == (MAX_EDGE, 32)
    assert "more than 16384 pixels" in result.warnings[-1]


# Prints what became of a job with the real engine, in a process that may take so many MiB more than it has by then.
RUN = """
import resource, sys
from pathlib import Path
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2.planning import machine as module
from seedvr2.errors import SeedVR2Error
source, room, checked = Path(sys.argv[1]), int(sys.argv[2]) << 20, sys.argv[3] == "checked"
engine = Upscaler(source.parent, device="cpu", dtype="float32")
engine.upscale(source.with_name("small.png"), source.with_name("small-out.png"), UpscaleOptions(resolution=16))
if not checked:
    module.check_job = lambda *_: None
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
try:
    result = engine.upscale(source, source.with_name("out.png"), UpscaleOptions(resolution=int(sys.argv[4])))
    print("done", result.width)
except SeedVR2Error as error:
    print(type(error).__name__, error)
engine.upscale(source.with_name("small.png"), source.with_name("again.png"), UpscaleOptions(resolution=16))
print("alive")
"""


def run(source: Path, room: int, checked: str, resolution: int) -> list[str]:
    Image.effect_noise((16, 16), 50).convert("RGB").save(source.with_name("small.png"))
    command = [sys.executable, "-c", RUN, source, str(room), checked, str(resolution)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell")
def test_the_real_engine_refuses_and_lives_on(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (256, 256)).save(tmp_path / folder / "in.png")
    refused, alive = run(tmp_path / "a/in.png", 1024, "checked", 8192)
    assert refused.startswith("NeverFitsError A result of 8192 x 8192 pixels takes") and alive == "alive"
    assert run(tmp_path / "b/in.png", 2048, "checked", 512) == ["done 512", "alive"]


def test_an_allocation_that_fails_in_the_middle_is_the_same_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real allocator's own error, where the frames are decoded, for more than any machine has."""
    Image.effect_noise((16, 16), 50).convert("RGB").save(tmp_path / "a.png")
    engine = Upscaler(tmp_path, device="cpu", dtype="float32")
    small = UpscaleOptions(resolution=16)
    with monkeypatch.context() as scarce:
        scarce.setattr(BatchRestorer, "decode", lambda *_: torch.empty(1 << 60, dtype=torch.uint8))
        with pytest.raises(OutOfMemoryError, match=r"^There is not enough memory on cpu for this job"):
            engine.upscale(tmp_path / "a.png", tmp_path / "out.png", small)
    assert not (tmp_path / "out.png").exists()
    assert engine.upscale(tmp_path / "a.png", tmp_path / "again.png", small).width == 16


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell")
def test_a_job_that_takes_up_the_address_space_fails_alone(tmp_path: Path) -> None:
    Image.new("RGB", (256, 256)).save(tmp_path / "a.png")
    failed, alive = run(tmp_path / "a.png", 400, "unchecked", 2048)
    assert failed.startswith("OutOfMemoryError There is not enough memory on cpu for this job") and alive == "alive"
    assert not (tmp_path / "out.png").exists()
