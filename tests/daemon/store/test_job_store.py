"""The store: jobs, history, retention, what was seen, speeds."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from daemon.errors import StoreError
from daemon.jobs.job import IllegalMoveError, Job, State
from daemon.store.history import History
from daemon.store.job_store import JobStore
from tests.daemon.jobs.test_job import RESULT, draft


def finish(store: JobStore, job: Job) -> Job:
    job = store.save(job.start(time.time()))
    job = store.save(job.with_result(RESULT))
    job = store.save(job.complete(time.time()))
    store.archive(job)
    return job


def test_jobs_survive_without_closing(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    first, second = store.add(draft()), store.add(draft(source="/in/\udcff.mp4"))
    store.save(first.start(5.0))
    # As after kill -9: the files as they are, without the order that closing makes.
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copy)
    store.close()
    again = JobStore(copy)
    assert [job.id for job in again.open_jobs()] == [first.id, second.id]
    assert again.get(first.id) == first.start(5.0)
    assert again.get(second.id) == second
    again.close()


def test_ids_are_eight_hex_digits_and_never_come_again(tmp_path: Path) -> None:
    ids = []
    for _ in range(3):
        store = JobStore(tmp_path, keep_count=1)
        for _ in range(50):
            job = store.add(draft())
            ids.append(job.id)
            finish(store, job)
        store.fold_history()
        store.close()
    assert len(set(ids)) == 150
    assert all(len(each) == 8 and int(each, 16) >= 0 for each in ids)


def test_an_illegal_move_cannot_be_stored(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = store.add(draft())
    running = store.save(job.start(1.0))
    store.save(running.fail(2.0, "no"))
    with pytest.raises(IllegalMoveError):
        store.save(running)
    with pytest.raises(IllegalMoveError):
        store.save(job)
    store.close()


def test_two_stores_cannot_share_a_folder(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    with pytest.raises(StoreError, match="Another seedvr2d"):
        JobStore(tmp_path)
    store.close()


def test_finished_jobs_go_to_the_history_newest_first(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    done = [finish(store, store.add(draft())).id for _ in range(5)]
    failed = store.add(draft())
    running = store.save(failed.start(1.0))
    store.archive(store.save(running.fail(time.time(), "no")))
    assert [job.id for job in store.history(3, (State.COMPLETED,))] == done[:1:-1]
    assert [job.id for job in store.history(9, (State.FAILED,))] == [failed.id]
    assert store.totals()[State.COMPLETED] == 5
    assert store.open_jobs() == []
    store.close()
    again = JobStore(tmp_path)
    assert again.get(done[0]) is not None
    assert again.totals()[State.FAILED] == 1
    again.forget(done[0])
    assert again.get(done[0]) is None
    again.close()
    final = JobStore(tmp_path)
    assert final.get(done[0]) is None
    final.close()


def test_a_crash_in_the_middle_of_archiving_leaves_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(tmp_path)
    job = store.add(draft())

    def crash(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_shard", crash)
    with pytest.raises(KeyboardInterrupt):
        store.archive(job.start(1.0).fail(2.0, "no"))
    monkeypatch.undo()
    store.close()
    again = JobStore(tmp_path)
    assert again.open_jobs() == []
    assert again.get(job.id) is not None
    again.close()


def test_retention_by_count_and_age(tmp_path: Path) -> None:
    forgotten: list[int] = []
    history = History(
        tmp_path / "h.jsonl", keep_count=10, keep_days=1.0, on_forget=lambda job: forgotten.append(job.number)
    )
    now = time.time()
    for number in range(40):
        job = Job(f"{number:08x}", number, now, draft()).start(now)
        # By the service's own clock, whatever that of the wall said.
        history.append(job.fail(5.0, "no"), now - (200_000 if number % 2 else 0))
    history.fold(now)
    assert len(history) <= 10
    assert all(job.number % 2 == 0 for job in history.newest(99))
    # Of each that was dropped, somebody heard, once.
    assert sorted(forgotten + [job.number for job in history.newest(99)]) == list(range(40))
    size = (tmp_path / "h.jsonl").stat().st_size
    assert size < 10 * 1500
    history.close()


def test_a_torn_or_damaged_history_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history = History(path, keep_count=100, keep_days=0)
    for number in range(3):
        history.append(Job(f"{number:08x}", number, 1.0, draft()).start(1.0).fail(2.0, "no"), 2.0)
    history.close()
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(lines[0] + b"\n{broken\n" + lines[2] + b"\n" + lines[1][:40])
    history = History(path, keep_count=100, keep_days=0)
    assert [job.id for job in history.newest(9)] == ["00000002", "00000000"]
    history.append(Job("00000009", 9, 1.0, draft()).start(1.0).fail(2.0, "no"), 2.0)
    assert len(history) == 3
    history.close()


def test_same_content_is_found_again(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = store.add(draft(sha256="11" * 32))
    assert store.with_content("11" * 32) == job
    finish(store, job)
    found = store.with_content("11" * 32)
    assert found is not None
    assert (found.id, found.state) == (job.id, State.COMPLETED)
    assert store.with_content("22" * 32) is None
    store.close()


def test_seen_files_are_remembered_until_they_are_gone(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("x")
    store = JobStore(tmp_path / "state")
    store.mark_seen(str(clip), (1, 2, 3), "00000001")
    store.close()
    store = JobStore(tmp_path / "state")
    assert store.seen(str(clip), (1, 2, 3))
    assert not store.seen(str(clip), (1, 2, 4))
    clip.unlink()
    store.forget_missing()
    assert not store.seen(str(clip), (1, 2, 3))
    store.close()


def test_speeds_survive(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    store.save_speeds({"nano": 2.5})
    store.close()
    store = JobStore(tmp_path)
    assert store.speeds() == {"nano": 2.5}
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        ('"queued"', '"teleported"'),
        ('"source":"', '"sauce":"'),
        ('"number":1,', '"number":"1",'),
        ('"draft":{', '"draft":3,"x":{'),
    ],
)
def test_one_bad_record_stops_no_other_and_is_not_dropped(tmp_path: Path, damage: tuple[str, str]) -> None:
    store = JobStore(tmp_path)
    bad = store.add(draft())
    store.close()
    file = tmp_path / "jobs.json"
    assert damage[0] in file.read_text()
    file.write_text(file.read_text().replace(*damage))
    store = JobStore(tmp_path)
    assert store.unreadable == 1
    assert store.open_jobs() == []
    good = store.add(draft())
    assert good.id != bad.id
    finish(store, good)
    store.close()
    assert damage[1] in file.read_text()
    assert JobStore(tmp_path).unreadable == 1


def test_a_job_that_is_taken_back_leaves_no_trace(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = store.add(draft())
    store.withdraw(job)
    assert store.get(job.id) is None
    assert store.with_content(job.draft.sha256) is None
    store.close()
    store = JobStore(tmp_path)
    assert store.open_jobs() == []
    assert store.add(draft()).id != job.id
    store.close()


@pytest.mark.parametrize(
    "odd",
    [5, [], "text", None, {"id": "zz"}, {"id": "00000001", "draft": 5}, {"id": "00000001", "number": 10**400},
     {"id": "not hexadecimal"}],
)  # fmt: skip
def test_records_of_any_kind_keep_no_job_from_being_read(tmp_path: Path, odd: object) -> None:
    store = JobStore(tmp_path)
    job = store.add(draft())
    finished = finish(store, store.add(draft()))
    store.close()
    content = json.loads((tmp_path / "jobs.json").read_text())
    content[f"jobs-{job.id[:2]}"]["1"] = odd
    content.setdefault("jobs-00", {})["2"] = {**job.record(), "draft": {**job.record()["draft"], "fingerprint": ["x"]}}
    content.setdefault("jobs-01", {})["3"] = {**job.record(), "id": "not hexadecimal"}
    content["seen-00"] = {"1": odd, "2": {"path": "/in/a", "fingerprint": 5}, "3": {"path": "/b", "fingerprint": [1]}}
    content["speeds"] = {"1": odd}
    (tmp_path / "jobs.json").write_text(json.dumps(content))
    with (tmp_path / "history.jsonl").open("a") as file:
        for line in (odd, {"job": odd}, {"job": {**finished.record(), "id": "00000009"}, "clock": 10**400},
                     {"job": {**finished.record(), "state": "queued"}}, {"removed": []}):  # fmt: skip
            file.write(json.dumps(line) + "\n")
    store = JobStore(tmp_path)
    assert [each.id for each in store.open_jobs()] == [job.id]
    assert store.unreadable == 3
    assert store.get(finished.id) is not None
    assert store.history(10, State) == [store.get(finished.id)]
    assert store.seen("/b", (1,))
    assert store.speeds() == {}
    assert finish(store, store.add(draft())).finished
    store.close()


def test_a_record_of_the_history_that_is_none_hides_no_other(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    first, second = finish(store, store.add(draft())), finish(store, store.add(draft()))
    store.close()
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    damaged = json.loads(lines[0])
    damaged["job"]["draft"]["media"] = 5
    (tmp_path / "history.jsonl").write_text(json.dumps(damaged) + "\n" + lines[1] + "\n")
    store = JobStore(tmp_path)
    assert [job.id for job in store.history(10, State)] == [second.id]
    assert store.get(first.id) is None
    assert [job.id for job in store.finished_before(float("inf"))] == [second.id]
    store.close()


def test_a_path_that_can_be_none_is_forgotten_like_one_that_is_gone(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    store.mark_seen("/in/\0", (1, 2, 3), "")
    (tmp_path / "gone").touch()
    store.mark_seen(str(tmp_path / "gone"), (1, 2, 3), "")
    (tmp_path / "gone").unlink()
    store.forget_missing()
    assert not store.seen("/in/\0", (1, 2, 3))
    assert not store.seen(str(tmp_path / "gone"), (1, 2, 3))
    store.close()
