"""Power cuts of the store: whatever the disk kept, the store opens and knows each acknowledged job."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.jobs.job import Draft, Job, Media, Result, State
from daemon.store.job_store import JobStore
from tests.faults.conftest import Lab
from tests.faults.power import write_folder
from tests.faults.recorder import Recorder

pytestmark = pytest.mark.long

# Each round goes on where a cut of the round before left the store.
ROUNDS, CUTS_A_ROUND, JOBS_A_ROUND = 5, 2000, 25
MEMORY = Path("/dev/shm")


@dataclass(slots=True)
class Promises:
    """What the store has acknowledged, each with the number of steps that had reached the disk by then."""

    jobs: dict[str, list[tuple[int, Job]]] = field(default_factory=dict)

    def keep(self, steps: int, job: Job) -> None:
        """This is the newest version of a job."""
        self.jobs.setdefault(job.id, []).append((steps, job))

    def check(self, steps: int, store: JobStore) -> None:
        """Each job is as it was last acknowledged, or further."""
        for job_id, versions in self.jobs.items():
            acknowledged = [number for number, (at, _) in enumerate(versions) if at <= steps]
            if not acknowledged:
                continue
            stored = store.get(job_id)
            assert stored in [job for _, job in versions[acknowledged[-1] :]], f"job {job_id} is {stored}"

    def begin_again(self, store: JobStore) -> None:
        """What the store knows now is what it has to know from now on."""
        found = {job_id: store.get(job_id) for job_id in self.jobs}
        self.jobs = {job_id: [(0, job)] for job_id, job in found.items() if job is not None}


def draft(number: int) -> Draft:
    media = Media("picture", 64, 48, 1)
    options = {"resolution": 1080, "seed": number}
    return Draft("api", f"/uploads/{number}/p.png", f"p{number}.png", f"{number:064x}", 999, media, options, 1.0, "0")


def result(job: Job) -> Result:
    return Result(f"/outputs/{job.id}.png", 128, 96, 1, 0.5, "nano", False, dict(job.draft.options), ("a warning",))


def lives(store: JobStore, chance: random.Random, numbers: Iterator[int]) -> Iterator[Job]:
    """Jobs that come, run and end; each version once it is acknowledged."""
    waiting = [job for job in store.open_jobs() if job.state is State.QUEUED]
    for _ in range(JOBS_A_ROUND):
        waiting.append(store.add(draft(next(numbers))))
        yield waiting[-1]
        if chance.random() < 0.7:
            job = store.save(waiting.pop(chance.randrange(len(waiting))).start(1.0))
            yield job
            if chance.random() < 0.2:
                waiting.append(store.save(job.requeue(orderly=True)))
                yield waiting[-1]
                continue
            job = store.save(job.with_result(result(job)))
            yield job
            job = store.save(job.complete(2.0) if chance.random() < 0.8 else job.fail(2.0, "It failed."))
            yield job
            yield archived(store, job)
        store.mark_seen(f"/inbox/{chance.randrange(9)}.png", (1, 2, chance.randrange(99)), "")
        store.save_speeds({"nano": chance.random()})


def archived(store: JobStore, job: Job) -> Job:
    """The job once it is in the history."""
    settled = job.as_settled()
    store.archive(settled)
    return settled


def test_power_cuts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 power cuts of the store, replayed from what it wrote"""
    # So small that snapshots are made all the time.
    monkeypatch.setattr("daemon.store.storage.FOLD_BYTES", 6000)
    chance, numbers, promises = random.Random(16), iter(range(10**6)), Promises()
    folder = lab.root / "store"
    folder.mkdir()
    for _ in range(ROUNDS):
        recorder = recorded_round(folder, promises, chance, numbers)
        cuts(lab, recorder, promises, chance, folder)
    assert lab.counts.faults == ROUNDS * CUTS_A_ROUND


def recorded_round(folder: Path, promises: Promises, chance: random.Random, numbers: Iterator[int]) -> Recorder:
    """Work with the store, and have every step recorded."""
    recorder = Recorder(folder)
    with pytest.MonkeyPatch.context() as patch:
        recorder.install(patch)
        for _ in range(2):
            store = JobStore(folder)
            try:
                for job in lives(store, chance, numbers):
                    promises.keep(len(recorder.steps), job)
                    if job.settled and chance.random() < 0.2:
                        del promises.jobs[job.id]
                        store.forget(job.id)
                store.fold_history()
            finally:
                store.close()
    recorder.verify()
    return recorder


def cuts(lab: Lab, recorder: Recorder, promises: Promises, chance: random.Random, folder: Path) -> None:
    """Cut the power at random steps, and open the store on what is left; the last is where the next round begins."""
    disk, done = recorder.disk(), 0
    place = MEMORY / lab.root.name if MEMORY.is_dir() else lab.root / "cut"
    try:
        for steps in sorted(chance.randrange(len(recorder.steps) + 1) for _ in range(CUTS_A_ROUND)):
            for step in recorder.steps[done:steps]:
                step(disk)
            done = steps
            left = disk.cut(chance)
            write_folder(place, left)
            store = JobStore(place)
            try:
                promises.check(steps, store)
                lab.checked(len(left))
                lab.fault()
            finally:
                store.close()
        write_folder(folder, left)
        store = JobStore(place)
        promises.begin_again(store)
        store.close()
    finally:
        for file in place.glob("*"):
            file.unlink()
        place.rmdir()
