"""A job goes on where it was, whether the cluster is on or off, and whatever ended the service."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from seedvr2 import attempts as engine
from seedvr2.segments.journal import Journal
from tests.daemon.cluster.conftest import LOCAL, ROOT, Clustered, child_of, film
from tests.daemon.cluster.short_gateway import FRAMES
from tests.daemon.cluster.test_local import SIZE, alone
from tests.daemon.conftest import Start, eventually, make_config
from tests.daemon.work.test_segments import coded, work_of

__all__ = ["alone"]
StartCluster = Callable[..., Clustered]
Alone = Callable[[Path], list[tuple[int | None, bytes]]]


@pytest.mark.long
def test_a_film_goes_on_with_the_cluster_off_and_on_again(
    start_cluster: StartCluster, start: Start, tmp_path: Path, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "frames_at_a_time", lambda *_args, **_more: FRAMES)
    settings, folder = ModelSettings(device="cpu", dtype="float32"), tmp_path / "service"
    clip = film(tmp_path / "clip.mp4", shots=4, frames=18)
    off = start(LocalExecutor(folder / "none", settings), folder)
    job_id = off.submit("clip.mp4", clip.read_bytes(), **SIZE)
    eventually(lambda: len(work_of(off)) >= 2, 60)
    off.service.stop()
    done = len(work_of(off))
    on = start_cluster(folder)
    eventually(lambda: on.segments_done(job_id) > done)
    on.service.stop()
    made, done = on.units("made"), len(work_of(off))
    assert 3 <= done < 12
    assert made < 12
    again = start(LocalExecutor(folder / "none", settings), folder)
    finished = again.finished(job_id)
    assert finished["status"] == "completed", finished
    assert coded(Path(str(finished["output_path"]))) == alone(clip)


@pytest.mark.long
def test_a_daemon_that_is_killed_leaves_nothing_behind_and_makes_only_what_ran_again(
    start_cluster: StartCluster, tmp_path: Path, alone: Alone
) -> None:
    folder = tmp_path / "service"
    clip = film(tmp_path / "clip.mp4", shots=4, frames=18)
    config = make_config(folder, **LOCAL)
    inbox = config.paths.inbox
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "clip.mp4").write_bytes(clip.read_bytes())
    (inbox / "clip.mp4.json").write_text(json.dumps({"resolution": 64, "batch_size": 5}))
    target = f"""
import sys
from pathlib import Path
from tests.daemon.cluster.conftest import begin
running = begin(Path({str(folder)!r}))
print(running.cluster.gateway_pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", target]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        gateway = int(daemon.stdout.readline())
        eventually(lambda: len(_finished(config.paths.outputs)) >= 3)
        family = [child_of(gateway, "raylet"), child_of(gateway, "gcs_server")]
        daemon.send_signal(signal.SIGKILL)
    done = len(_finished(config.paths.outputs))
    eventually(lambda: not Path(f"/proc/{gateway}").exists(), 10)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), 10)
    running = start_cluster(folder)
    (job,) = [job for job in running.service.store.open_jobs() if not job.finished]
    finished = running.finished(job.id)
    assert finished["status"] == "completed"
    assert running.units("made") == 1 + 12 - done
    assert coded(Path(str(finished["output_path"]))) == alone(clip)


def _finished(outputs: Path) -> list[int]:
    """The segments that are on record."""
    for folder in outputs.glob(".work/*/*/segments"):
        return list(Journal(folder).done)
    return []
