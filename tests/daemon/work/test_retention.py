"""What is deleted, when, and above all what is not."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from daemon.work.retention import DAY_S
from tests.daemon.conftest import Start, eventually, picture


def test_nothing_but_uploads_goes_by_default(start: Start) -> None:
    running = start()
    running.finished(running.submit())
    picture(running.inbox / "a.png")
    eventually(lambda: len(running.history()) == 2)
    assert len(list(running.service.context.uploads.iterdir())) == 1
    running.service._parts.retention.apply(time.time() + 6 * DAY_S)
    assert len(list(running.service.context.uploads.iterdir())) == 1
    running.service._parts.retention.apply(time.time() + 8 * DAY_S)
    assert list(running.service.context.uploads.iterdir()) == []
    assert len(running.results()) == 2
    assert (running.inbox / "_done" / "a.png").exists()


def test_results_go_when_that_is_asked_for(start: Start) -> None:
    running = start(SEEDVR2_JOBS_OUTPUTS_DAYS="2")
    job_id = running.submit()
    running.finished(job_id)
    (running.outputs / "not ours.png").write_bytes(b"x")
    running.service._parts.retention.apply(time.time() + 3 * DAY_S)
    assert [each.name for each in running.outputs.rglob("*") if each.is_file()] == ["not ours.png"]
    assert running.get(f"/api/download/{job_id}").status_code == 404
    assert running.get("/api/queue/history").json()["history"][0]["available"] is False


def test_an_upload_that_a_retry_needs_stays(start: Start) -> None:
    running = start()
    running.executor.errors.append(ValueError())
    first = running.submit()
    running.finished(first)
    running.executor.gate.clear()
    second = running.post(f"/api/tasks/{first}/retry").json()["task_id"]
    assert running.delete(f"/api/tasks/{first}").status_code == 200
    running.executor.gate.set()
    assert running.finished(second)["status"] == "completed"


def test_uploads_that_never_became_jobs_go_at_the_next_start(start: Start) -> None:
    running = start()
    job_id = running.submit()
    running.finished(job_id)
    stray = running.service.context.uploads / ".0123456789abcdef"
    stray.mkdir()
    (stray / "clip.mp4").write_bytes(b"half")
    running.service.stop()
    running = start()
    assert not stray.exists()
    assert len(list(running.service.context.uploads.iterdir())) == 1


def test_a_result_that_cannot_be_removed_keeps_none_behind_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start(SEEDVR2_JOBS_OUTPUTS_DAYS="2")
    first, second = running.submit(), running.submit()
    for job_id in (first, second):
        running.finished(job_id)
    kept = Path(str(running.service.store.get(first).result.path))  # type: ignore[union-attr]
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == kept:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    running.service._parts.retention.apply(time.time() + 3 * DAY_S)
    assert running.results() == [kept]
