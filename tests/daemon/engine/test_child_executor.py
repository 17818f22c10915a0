"""The executor that the service really uses: the engine in a child process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from daemon.engine.child_executor import ChildExecutor
from daemon.engine.executor import Executor
from daemon.engine.messages import DeviceReport
from daemon.errors import EngineAwayError
from daemon.jobs.job import Media
from daemon.settings.keys import ModelSettings
from seedvr2.errors import Cancelled, MachineError, MediaError, ModelNotInstalledError, Yielded
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish
from seedvr2.progress import Segments
from tests.daemon.conftest import Running, eventually, picture
from tests.daemon.engine.conftest import Control, Make
from tests.daemon.engine.test_local_executor import NANO, clip
from tests.test_main_job import Daemon

REAL = "daemon.engine.child_main"
SMALL = UpscaleOptions(resolution=64, batch_size=5)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[ChildExecutor]:
    """With the real engine and the embedded model."""
    executor = ChildExecutor(tmp_path / "models", ModelSettings(device="cpu", dtype="float32"))
    yield executor
    executor.unload()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildExecutor]:
    """The same for all tests to which it does not matter what it did before; it takes seconds to start."""
    executor = ChildExecutor(tmp_path_factory.mktemp("shared") / "models", ModelSettings(device="cpu", dtype="float32"))
    yield executor
    executor.unload()


def run(executor: Executor, source: Path, target: Path) -> str:
    outcome = executor.run(
        source, target, SMALL, model="", on_progress=lambda *_: None, cancelled=lambda: False,
        keep=target.parent / f"{target.name}.segments",
    )  # fmt: skip
    return outcome.model


def test_what_a_job_would_take_is_answered_while_another_runs(shared: ChildExecutor, tmp_path: Path) -> None:
    film, plans = Media("video", 480, 270, 7200, 24.0, 300.0), []

    def ask(*_progress: object) -> None:
        if not plans:
            plans.append(shared.foresee(film, SMALL, model="", suffix=".mp4", size=10**8, timed=True))

    shared.run(
        clip(tmp_path / "a.mp4"), tmp_path / "b.mp4", SMALL, model="", on_progress=ask, cancelled=lambda: False,
        keep=tmp_path / "keep",
    )  # fmt: skip
    assert (plans[0]["model"], plans[0]["fits"]) == (NANO, True)
    assert (tmp_path / "b.mp4").exists()


def test_a_run_reports_and_can_be_cancelled(real: ChildExecutor, tmp_path: Path) -> None:
    as_executor: Executor = real
    assert as_executor.model is None
    source, target = clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    shares: list[float] = []
    stages: set[str] = set()

    def note(stage: str, _done: int, _total: int | None, share: float | None, *_more: object) -> None:
        stages.add(stage)
        shares.append(share or 0.0)

    keep = tmp_path / "segments"
    outcome = real.run(source, target, SMALL, model="", on_progress=note, cancelled=lambda: False, keep=keep)
    assert (outcome.model, outcome.width, outcome.height, outcome.frames) == (NANO, 96, 64, 6)
    assert target.is_file() and real.model == NANO
    assert stages == {"scanning", "loading", "encoding", "restoring", "decoding", "writing"}
    assert shares == sorted(shares) and shares[-1] == 1.0
    target.unlink()
    pid = real.pid
    with pytest.raises(Cancelled):
        real.run(
            source, target, UpscaleOptions(resolution=512), model="", on_progress=note, cancelled=lambda: True,
            keep=keep,
        )  # fmt: skip
    assert not target.exists()
    assert real.pid == pid, "it stopped by itself"
    real.unload()
    assert real.model is None and real.pid is None
    assert not Path(f"/proc/{pid}").exists()


def test_a_run_gives_way_when_it_is_told_and_goes_on(shared: ChildExecutor, tmp_path: Path) -> None:
    source, target, keep = clip(tmp_path / "a.mp4", frames=60), tmp_path / "b.mp4", tmp_path / "segments"
    told: list[Segments] = []

    def note(*report: Any) -> None:
        told.extend(filter(None, report[4:]))

    def upscale(give_way: Callable[[], bool]) -> int:
        return shared.run(
            source, target, SMALL, model="", on_progress=note, cancelled=lambda: False, keep=keep, give_way=give_way
        ).frames

    with pytest.raises(Yielded, match=r"a\.mp4 gave way"):
        upscale(lambda: True)
    assert upscale(lambda: False) == 60
    assert {(each.total, each.border) for each in told} == {(1, 1.0)} and told[-1].done == 1


def test_a_preview_is_written_and_can_be_cancelled(shared: ChildExecutor, tmp_path: Path) -> None:
    source, folder = clip(tmp_path / "a.mp4"), tmp_path / "preview"
    folder.mkdir()
    wish = Wish(strengths=(0.5,), patience=60.0)
    shown = shared.preview(source, folder, SMALL, wish, model="", speed=None, cancelled=lambda: False)
    names = [image["name"] for image in shown["images"]]
    assert sorted([*names, shown["sheet"]]) == sorted(path.name for path in folder.iterdir())
    assert (shown["width"], shown["height"], shown["model"], len(names)) == (96, 64, NANO, 2)
    assert shared.model == NANO
    with pytest.raises(MediaError, match="nothing"):
        shared.preview(tmp_path / "nothing", folder, SMALL, wish, model="", speed=None, cancelled=lambda: False)
    with pytest.raises(Cancelled):
        shared.preview(source, folder, SMALL, wish, model="", speed=None, cancelled=lambda: True)


def test_models_are_listed_and_resolved_and_remembered(real: ChildExecutor, tmp_path: Path) -> None:
    assert [model["name"] for model in real.models(everything=False)] == [NANO]
    assert len(real.models(everything=True)) >= 13
    assert real.resolve("auto") == real.resolve("") == NANO
    with pytest.raises(ModelNotInstalledError, match="pull"):
        real.resolve("seedvr2_ema_3b_fp16.safetensors")
    real.load(NANO)
    assert real.model == NANO
    real.unload()
    # Nobody has to be started for what is known.
    assert [model["name"] for model in real.models(everything=False)] == [NANO]
    assert real.resolve("auto") == NANO
    with pytest.raises(ModelNotInstalledError):
        real.resolve("seedvr2_ema_3b_fp16.safetensors")
    assert real.pid is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.gguf").write_bytes(b"GGUF")
    assert [model["name"] for model in real.models(everything=False)] == ["bad.gguf", NANO]
    assert real.pid is not None


def test_questions_are_answered_while_a_job_runs(make: Make, control: Control, tmp_path: Path) -> None:
    executor = make()
    control("hold")
    source = picture(tmp_path / "a.png")
    working = threading.Thread(target=run, args=(executor, source, tmp_path / "b.png"))
    working.start()
    eventually(lambda: executor.pid is not None)
    assert [executor.resolve(name) for name in ("", "auto", "nano.safetensors")] == ["nano.safetensors"] * 3
    assert executor.models(everything=True)
    control.forget("hold")
    working.join()
    assert (tmp_path / "b.png").exists()


def test_a_question_outlives_its_process_once(make: Make, control: Control) -> None:
    executor = make()
    control("load.crashes", 1)
    executor.load("nano.safetensors")
    assert executor.model == "nano.safetensors"
    control("load.crashes", 2)
    with pytest.raises(MachineError, match="ended over a question: it was ended by SIGSEGV"):
        executor.load("nano.safetensors")


def test_a_child_that_nobody_needs_ends(make: Make, control: Control, tmp_path: Path) -> None:
    """Without a model; one that has a model is ended by who counts its idle time."""
    executor = make(settings=ModelSettings(idle_timeout_s=1.0))
    executor.prepare()
    pid = executor.pid
    eventually(lambda: executor.pid is None)
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    run(executor, picture(tmp_path / "a.png"), tmp_path / "b.png")
    pid = executor.pid
    assert pid is not None
    threading.Event().wait(2.5)
    assert executor.pid == pid and executor.model is not None


def test_what_it_computes_on_is_told_at_each_start(make: Make, control: Control) -> None:
    reports: list[DeviceReport] = []
    executor = make(on_device=reports.append)
    executor.prepare()
    executor.load("nano.safetensors")
    assert [report.name for report in reports] == ["Card"]
    executor.unload()
    executor.prepare()
    assert len(reports) == 2


def test_the_status_says_what_the_engine_uses(running: Running) -> None:
    """Not what the driver lists: it may be too old for this PyTorch."""

    def status() -> dict[str, object]:
        answer: dict[str, object] = running.get("/api/gpu/status").json()
        return answer

    assert status()["cuda_available"] is False
    card = DeviceReport(
        "cuda", name="Card", uuid="GPU-1", memory_mb=24576, capability="8.9", driver="580", runtime="13.0"
    )
    running.service.context.gpu.observed(card)
    now = status()
    assert now["cuda_available"] is True and now["no_gpu_reason"] is None
    assert (now["gpu_name"], now["gpu_uuid"], now["vram_total_mb"]) == ("Card", "GPU-1", 24576)
    assert (now["compute_capability"], now["driver_version"], now["cuda_version"]) == ("8.9", "580", "13.0")
    running.service.context.gpu.observed(DeviceReport(why="the driver is too old"))
    now = status()
    assert now["cuda_available"] is False and now["device"] == "cpu" and now["gpu_name"] is None
    assert now["no_gpu_reason"] == "the driver is too old"


def test_a_gpu_that_fails_at_the_start_is_not_available(make: Make, control: Control) -> None:
    reports: list[DeviceReport] = []
    executor = make(on_device=reports.append)
    control("start.nodriver")
    with pytest.raises(EngineAwayError, match="the GPU does not answer: Found no NVIDIA driver"):
        executor.prepare()
    executor.prepare()
    assert [report.device for report in reports] == ["cpu", "cuda"]


def test_signals_to_the_group_do_not_reach_it(make: Make, control: Control, tmp_path: Path) -> None:
    executor = make()
    executor.prepare()
    pid = executor.pid
    assert pid is not None and os.getpgid(pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    run(executor, picture(tmp_path / "a.png"), tmp_path / "b.png")
    assert executor.pid == pid


# -- the whole daemon, as a process ---------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    yield daemon
    if daemon.process and daemon.process.poll() is None:
        assert daemon.stop() == 0, daemon.log.read_text()[-3000:]


@pytest.mark.long
def test_nothing_is_left_of_a_model_that_was_unloaded(daemon: Daemon, tmp_path: Path) -> None:
    """Main memory of the daemon after two jobs and an unload is that of one that never had any."""
    daemon.start()
    assert daemon.process
    pid = daemon.process.pid
    engine = daemon.eventually(lambda: _child(pid, REAL))
    daemon.eventually(lambda: "the engine is ready" in daemon.log.read_text())
    picture(tmp_path / "a.png")
    for name in ("warm.png", "a.png"):
        daemon.drop(tmp_path / "a.png", name)
        daemon.result(name.removesuffix(".png"))
        if name == "warm.png":
            before = _resident_mb(pid)
    status = daemon.get("/api/gpu/status")
    assert status["current_model"] == NANO and status["ram_used_mb"] > before + 100
    assert status["cuda_available"] is False and status["device"] == "cpu" and status["no_gpu_reason"]
    assert _child(pid, REAL) == engine
    answer = requests.post(daemon.url + "/api/gpu/offload", timeout=30).json()
    assert answer["status"] == "success"
    daemon.eventually(lambda: _child(pid, REAL) is None)
    status = daemon.get("/api/gpu/status")
    assert status["current_model"] is None and not status["model_loaded"]
    assert abs(_resident_mb(pid) - before) < 8
    assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
    daemon.drop(tmp_path / "a.png", "again.png")
    daemon.result("again")


def test_no_child_outlives_a_daemon_that_is_killed(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start()
    assert daemon.process
    daemon.drop(clip(tmp_path / "clip.mp4"), "a.mp4")
    daemon.result("a")
    children = [_child(daemon.process.pid, name) for name in (REAL, "daemon.engine.probe_main")]
    assert None not in children
    daemon.stop(signal.SIGKILL)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    daemon.process = None


def test_ctrl_c_ends_both_in_order(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start()
    assert daemon.process
    child = daemon.eventually(lambda: _child(daemon.process.pid, REAL))  # type: ignore[union-attr]
    assert daemon.stop(signal.SIGINT) == 0
    assert not Path(f"/proc/{child}").exists()
    assert re.search("stopped", daemon.log.read_text())
    assert "Traceback" not in daemon.log.read_text()


def test_the_service_itself_never_imports_the_engine() -> None:
    code = "import sys, daemon.service, daemon.engine.child_executor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _child(pid: int, module: str) -> int | None:
    """A child of the process that runs `module`."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    return None


def _resident_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20


@pytest.mark.long
def test_compiling_is_asked_for_in_the_settings_and_is_left_where_there_is_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "/nonexistent/c++")
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    source, words = clip(tmp_path / "a.mp4", frames=1), "Compiling the transformer's norm does not work here"
    for wanted in (False, True):
        executor = ChildExecutor(tmp_path / "models", ModelSettings(device="cpu", dtype="float32", compile=wanted))
        try:
            assert run(executor, source, tmp_path / f"{wanted}.mp4") == NANO
        finally:
            executor.unload()
        assert capfd.readouterr().err.count(words) == wanted
