"""A file that the inbox refused is a failed task: one, told to everybody, and looked at again by a retry."""

from __future__ import annotations

from pathlib import Path

from daemon.inbox.names import FAILED
from daemon.jobs.job import Job, State
from tests.daemon.conftest import Running, Start, eventually, picture, png


def refused(running: Running, count: int = 1) -> list[Job]:
    """The failed tasks once they are as many, the newest first."""
    eventually(lambda: len(running.history()) == count)
    jobs = running.history()
    assert {job.state for job in jobs} == {State.FAILED}
    return jobs


def drop_corrupt(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no picture")
    return path


def retry(running: Running, job: Job) -> tuple[int, dict[str, object]]:
    answer = running.post(f"/api/tasks/{job.id}/retry")
    return answer.status_code, answer.json()


def test_a_corrupt_file_is_one_failed_task_wherever_one_looks(running: Running) -> None:
    told: list[tuple[str, str]] = []
    running.service.context.hub.listen(lambda event: told.append((event.job.id, event.job.state.value)))
    drop_corrupt(running.inbox / "sub" / "broken.png")
    (job,) = refused(running)
    assert told == [(job.id, "failed")]
    (entry,) = running.get("/api/queue/history?status=failed").json()["history"]
    assert (entry["id"], entry["source"], entry["original_filename"]) == (job.id, "inbox", "broken.png")
    aside = running.inbox / FAILED / "sub" / "broken.png"
    assert entry["error"] == (aside.parent / "broken.png.error.txt").read_text().strip()
    assert running.get("/api/queue/status").json()["total_failed"] == 1
    assert 'seedvr2_jobs_finished_total{state="failed"} 1' in running.get("/metrics").text
    status = running.get(f"/api/status/{job.id}").json()
    assert (status["status"], status["error"]) == ("failed", entry["error"])
    assert job.draft.source == str(aside)
    assert running.get(f"/api/thumbnail/{job.id}").status_code == 404
    assert running.post(f"/api/tasks/{job.id}/again", json={}).status_code == 409


def test_a_retry_looks_at_the_file_again_where_it_was_put_aside(running: Running) -> None:
    drop_corrupt(running.inbox / "broken.png")
    (job,) = refused(running)
    status, answer = retry(running, job)
    assert (status, answer["error"]) == (400, job.error)
    assert len(running.history()) == 1
    aside = Path(job.draft.source)
    aside.write_bytes(png())
    (aside.parent / "broken.png.toml").write_text("seed = 5")
    status, answer = retry(running, job)
    assert status == 200, answer
    done = running.finished(str(answer["task_id"]))
    assert (done["status"], done["retry_of"], done["params"]["seed"]) == ("completed", job.id, 5)
    assert aside.exists()
    aside.unlink()
    status, answer = retry(running, job)
    assert (status, answer["error"]) == (409, "The file of this task is gone. Drop it into the inbox again.")


def test_a_bad_sidecar_is_one_failed_task_also_after_a_restart(start: Start) -> None:
    running = start()
    (running.inbox / "a.png.toml").write_text("resolution = 'wide'")
    source = picture(running.inbox / "a.png")
    (job,) = refused(running)
    assert source.exists() and job.draft.source == str(source)
    assert job.error == (running.inbox / "a.png.error.txt").read_text().strip()
    running.service.stop()
    running = start()
    drop_corrupt(running.inbox / "later.png")
    # Files are looked at by name: this one comes after the other was looked at again.
    assert [each.draft.original_filename for each in refused(running, 2)] == ["later.png", "a.png"]
    status, answer = retry(running, job)
    assert (status, answer["error"]) == (400, job.error)
    # Another mistake is another refusal.
    (running.inbox / "a.png.toml").write_text("resolutoin = 64")
    assert "Did you mean 'resolution'?" in refused(running, 3)[0].error


def test_a_retry_of_what_stays_in_its_place_is_made_once_and_put_away(start: Start) -> None:
    running = start(SEEDVR2_INBOX_AFTER="keep")
    source = drop_corrupt(running.inbox / "kept.png")
    (job,) = refused(running)
    assert source.exists() and job.draft.source == str(source)
    assert (running.inbox / "kept.png.error.txt").exists()
    running.service.stop()
    running = start(SEEDVR2_INBOX_AFTER="keep")
    drop_corrupt(running.inbox / "later.png")
    refused(running, 2)
    assert retry(running, job)[0] == 400


def test_an_upload_that_is_refused_leaves_no_task(running: Running) -> None:
    answer = running.post("/api/process", files={"file": ("broken.png", b"no picture")})
    assert answer.status_code == 400
    assert running.history() == []


def test_a_task_on_record_whose_file_was_not_put_aside_yet_is_settled_by_the_next_start(start: Start) -> None:
    running = start()
    ends = running.service.context.worker._ends
    # As if power failed between the two.
    ends.settle = lambda job: True
    source = drop_corrupt(running.inbox / "broken.png")
    eventually(lambda: [job for job in running.service.store.open_jobs() if job.state is State.FAILED])
    running.service.stop()
    assert source.exists()
    running = start()
    (job,) = refused(running)
    assert Path(job.draft.source) == running.inbox / FAILED / "broken.png"
    assert not source.exists()
