"""Two daemons: sharing outputs they leave each other's work alone; sharing anything else is refused."""

from __future__ import annotations

import random
import time

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account, nothing_failed
from tests.faults.lab import Daemon

pytestmark = pytest.mark.long

ROUNDS, JOBS_A_ROUND = 10, 3


def pair(lab: Lab) -> tuple[Daemon, Daemon]:
    """Two daemons with the same outputs."""
    outputs = lab.root / "outputs"
    return lab.daemon("one", {"outputs": outputs}).start(), lab.daemon("two", {"outputs": outputs}).start()


def has_written(daemon: Daemon, number: int) -> None:
    """Until so many results wait to be published."""
    eventually(lambda: len(list(daemon.outputs.glob(".work/**/result.png"))) == number)


def test_kills_beside_work(lab: Lab) -> None:
    """two daemons with the same outputs, 30 jobs each, one of them killed and started ten times"""
    one, two = pair(lab)
    lab.foreign.plant_around(one)
    chance = random.Random(7)
    for round_ in range(ROUNDS):
        for number in range(JOBS_A_ROUND):
            one.submit(f"one {round_} {number}.png")
            two.submit(f"two {round_} {number}.png")
        time.sleep(chance.uniform(0, 0.2))
        one.kill()
        lab.fault()
        one.start()
    lab.checked(account(one) + account(two) + lab.foreign.check())
    nothing_failed(one)
    nothing_failed(two)
    for job_id in two.accepted:
        assert two.log.count(f"job {job_id}: started") == 1, "its work was taken from it"


def test_start_beside_a_finished_result(lab: Lab) -> None:
    """one daemon starts while the other's result is about to be put in place"""
    one, two = pair(lab)
    two.order("hold-end")
    job_id = two.submit("held.png")
    has_written(two, 1)
    one.kill()
    one.start()
    one.stop()
    one.start()
    lab.fault(2)
    has_written(two, 1)
    two.revoke("hold-end")
    lab.checked(account(two))
    assert two.log.count(f"job {job_id}: started") == 1


def test_leftovers_of_both(lab: Lab) -> None:
    """both are killed in their work and started in the other order: each goes on with its own"""
    one, two = pair(lab)
    for daemon, name in ((one, "one.png"), (two, "two.png")):
        daemon.order("hold-end")
        daemon.submit(name)
    has_written(one, 2)
    one.kill()
    two.kill()
    lab.fault(2)
    for daemon in (two, one):
        daemon.revoke("hold-end")
        daemon.start()
    lab.checked(account(one) + account(two))
    nothing_failed(one)
    nothing_failed(two)
    eventually(lambda: not list(one.outputs.glob(".work/**/result.png")))


@pytest.mark.parametrize("shared", ["state", "inbox", "uploads"])
def test_shared_folder(lab: Lab, shared: str) -> None:
    """two daemons with the same state, inbox or uploads: the second is refused"""
    folder = lab.root / "shared"
    one = lab.daemon("one", {shared: folder}).start()
    one.order("hold")
    one.submit("running.png")
    one.drop("dropped.png")
    two = lab.daemon("two", {shared: folder})
    lab.fault()
    assert shared in two.refusal()
    one.revoke("hold")
    lab.checked(account(one))
    one.stop()
    # Nobody holds it any more.
    assert lab.daemon("three", {shared: folder}).start_or_refusal() is None or shared == "uploads"
