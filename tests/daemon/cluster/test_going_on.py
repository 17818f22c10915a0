"""A job goes on where it was, whether the cluster is on or off, and whatever ended the service."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from seedvr2 import attempts as engine
from tests.daemon.cluster.apart import Apart
from tests.daemon.cluster.conftest import Clustered, film
from tests.daemon.cluster.short_gateway import FRAMES
from tests.daemon.cluster.slow_gateway import HOLD, RECORD
from tests.daemon.cluster.test_faults import SLOW
from tests.daemon.cluster.test_local import SIZE, alone
from tests.daemon.conftest import Start, eventually
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
@pytest.mark.parametrize("gateway_too", [False, True])
def test_a_daemon_that_is_killed_leaves_nothing_behind_and_makes_only_what_ran_again(
    tmp_path: Path, alone: Alone, gateway_too: bool
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    clip, record = film(tmp_path / "clip.mp4", shots=4, frames=18), tmp_path / "begun"
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as temporary:
        variables = {
            RECORD: str(record),
            HOLD: str(tmp_path / "hold"),
            "TMPDIR": temporary,
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        }
        with Apart(tmp_path / "service", SLOW, variables) as service:
            job_id = service.submit(clip, **SIZE)
            eventually(lambda: service.segments_done(job_id) >= 3)
            (before,) = Path(temporary).glob("seedvr2d-*")
            service.kill(gateway_too=gateway_too)
            # Who could have removed it is dead.
            assert before.exists() or not gateway_too
            service.start()
            (after,) = Path(temporary).glob("seedvr2d-*")
            assert after != before
            finished = eventually(lambda: service.if_finished(job_id))
        assert list(Path(temporary).glob("seedvr2d-*")) == []
    assert finished["status"] == "completed"
    assert len(record.read_text().split()) <= 12 + 2
    assert coded(Path(str(finished["output_path"]))) == alone(clip)
