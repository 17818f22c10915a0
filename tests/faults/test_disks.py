"""Disks that are full, read-only or failing: the queue waits with the reason, and goes on by itself."""

from __future__ import annotations

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account, is_well, names_trouble, nothing_failed
from tests.faults.lab import Daemon
from tests.faults.mounts import Ext4, ReadOnly

pytestmark = pytest.mark.long


def running(daemon: Daemon, name: str = "running.png") -> str:
    """A job that runs until it is released."""
    daemon.order("hold")
    job_id = daemon.submit(name)
    daemon.wait(job_id, "processing")
    return job_id


def recovered(lab: Lab, daemon: Daemon, *, shelved: bool = True) -> None:
    """Everything goes on without a restart."""
    is_well(daemon)
    lab.checked(account(daemon, shelved=shelved))
    nothing_failed(daemon)
    lab.checked(lab.foreign.check())


def test_outputs_full_before_a_job(lab: Lab) -> None:
    """disk of the outputs full before a job"""
    disk = lab.disk("outputs")
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    lab.foreign.plant_around(daemon)
    disk.fill()
    lab.fault()
    for number in range(3):
        daemon.submit(f"sent{number}.png")
        daemon.drop(f"dropped{number}.png")
    names_trouble(daemon, "outputs")
    nothing_failed(daemon)
    disk.free()
    recovered(lab, daemon)


def test_outputs_full_during_a_job(lab: Lab) -> None:
    """disk of the outputs full during a job"""
    disk = lab.disk("outputs")
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    lab.foreign.plant_around(daemon)
    running(daemon)
    daemon.drop("dropped.png")
    disk.fill()
    lab.fault()
    daemon.revoke("hold")
    names_trouble(daemon, "outputs")
    nothing_failed(daemon)
    disk.free()
    recovered(lab, daemon)


@pytest.mark.parametrize("moment", ["hold", "hold-end"])
def test_outputs_read_only_during_a_job(lab: Lab, moment: str) -> None:
    """outputs turn read-only during a job, and when it has just ended"""
    # A disk of its own: its mount point is one before and afterwards.
    daemon = lab.daemon(folders={"outputs": lab.disk("outputs").point}).start()
    lab.foreign.plant_around(daemon)
    daemon.order(moment)
    job_id = daemon.submit("running.png")
    daemon.wait(job_id, "processing")
    daemon.drop("dropped.png")
    if moment == "hold-end":
        eventually(lambda: list(daemon.outputs.glob(".work/**/result.png")))
    disk = ReadOnly(daemon.outputs)
    lab.fault()
    try:
        daemon.revoke(moment)
        names_trouble(daemon, "outputs")
        nothing_failed(daemon)
    finally:
        disk.close()
    recovered(lab, daemon)


def test_cancel_while_the_result_waits(lab: Lab) -> None:
    """cancel of a job whose result waits for a read-only disk"""
    daemon = lab.daemon(folders={"outputs": lab.disk("outputs").point}).start()
    daemon.order("hold-end")
    job_id = daemon.submit("unwanted.png")
    eventually(lambda: list(daemon.outputs.glob(".work/**/result.png")))
    disk = ReadOnly(daemon.outputs)
    lab.fault()
    try:
        daemon.revoke("hold-end")
        names_trouble(daemon, "outputs")
        answer = daemon.post(f"/api/tasks/{job_id}/cancel")
        assert answer.status_code == 200, answer.text
        assert daemon.wait(job_id)["status"] == "cancelled"
    finally:
        disk.close()
    is_well(daemon)
    del daemon.accepted[job_id]
    daemon.submit("wanted.png")
    lab.checked(account(daemon))


def test_outputs_with_read_errors(lab: Lab) -> None:
    """outputs' disk fails with EIO during a job, and is mounted again"""
    disk = lab.disk("outputs")
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    running(daemon)
    daemon.drop("dropped.png")
    disk.pull_the_plug()
    lab.fault()
    daemon.revoke("hold")
    names_trouble(daemon, "outputs")
    nothing_failed(daemon)
    daemon.stop()
    disk.close()
    disk.mount()
    daemon.start()
    recovered(lab, daemon)


def state_and_uploads(lab: Lab) -> tuple[Ext4, Daemon]:
    """A daemon whose state has a disk of its own, small enough to be filled."""
    disk = lab.disk("state")
    return disk, lab.daemon(folders={"state": disk.point, "uploads": lab.root / "uploads"})


@pytest.mark.parametrize("moment", ["hold", "hold-end"])
def test_state_full_during_a_job(lab: Lab, moment: str) -> None:
    """disk of the state full during a job, and when it has just ended"""
    disk, daemon = state_and_uploads(lab)
    daemon.start()
    lab.foreign.plant_around(daemon)
    daemon.order(moment)
    job_id = daemon.submit("running.png")
    daemon.wait(job_id, "processing")
    if moment == "hold-end":
        eventually(lambda: list(daemon.outputs.glob(".work/**/result.png")))
    disk.fill()
    lab.fault()
    # The last block of the journal has room for a few lines: the disk is full once they are used up.
    refused = eventually(lambda: next((n for n in range(40) if daemon.offer(f"s{n}.png").status_code != 200), 0) + 1)
    assert refused
    for number in range(3):
        daemon.drop(f"dropped{number}.png")
    daemon.revoke(moment)
    names_trouble(daemon, "state")
    nothing_failed(daemon)
    disk.free()
    recovered(lab, daemon)


def test_state_full_at_start(lab: Lab) -> None:
    """disk of the state full at the start"""
    disk, daemon = state_and_uploads(lab)
    daemon.start()
    lab.foreign.plant_around(daemon)
    running(daemon)
    daemon.submit("waits.png")
    daemon.kill()
    daemon.revoke("hold")
    disk.fill()
    lab.fault()
    daemon.drop("dropped.png")
    daemon.start()
    names_trouble(daemon, "state")
    disk.free()
    recovered(lab, daemon)


def test_state_read_only_at_start(lab: Lab) -> None:
    """state read-only at the start"""
    daemon = lab.daemon(folders={"uploads": lab.root / "uploads"}).start()
    lab.foreign.plant_around(daemon)
    running(daemon)
    daemon.kill()
    daemon.revoke("hold")
    disk = ReadOnly(daemon.state)
    lab.fault()
    try:
        sentence = daemon.start_or_refusal()
        if sentence is None:
            names_trouble(daemon, "state")
        else:
            assert "state" in sentence
    finally:
        disk.close()
    if sentence is not None:
        daemon.start()
    recovered(lab, daemon)


@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_inbox_that_cannot_be_written(lab: Lab, kind: str) -> None:
    """inbox full, and read-only: results come, and no source is done twice or blamed"""
    disk = lab.disk("inbox", 8)
    daemon = lab.daemon(folders={"inbox": disk.point, "uploads": lab.root / "uploads"}).start()
    lab.foreign.plant_around(daemon)
    daemon.order("hold")
    for number in range(3):
        daemon.drop(f"dropped{number}.png")
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == 3)
    lab.fault()
    shut = ReadOnly(disk.point) if kind == "read-only" else None
    if shut is None:
        disk.fill()
    daemon.revoke("hold")
    lab.checked(account(daemon, shelved=False))
    nothing_failed(daemon)
    if shut is not None:
        shut.close()
    disk.free()
    daemon.drop("later.png")
    lab.checked(account(daemon, shelved=False))
    nothing_failed(daemon)
    lab.checked(lab.foreign.check())


def test_uploads_full(lab: Lab) -> None:
    """disk of the uploads full: an upload is refused with a sentence"""
    disk = lab.disk("uploads", 8)
    daemon = lab.daemon(folders={"uploads": disk.point}).start()
    lab.foreign.plant_around(daemon)
    disk.fill()
    lab.fault()
    answer = daemon.offer("refused.png", daemon.picture("refused.png") + b"\0" * 100_000)
    assert answer.status_code == 507 and answer.json()["error"].endswith("."), answer.text
    assert not daemon.accepted
    daemon.drop("dropped.png")
    lab.checked(account(daemon))
    disk.free()
    # What is free may be known for some seconds.
    eventually(lambda: daemon.offer("taken.png").status_code == 200)
    recovered(lab, daemon)
