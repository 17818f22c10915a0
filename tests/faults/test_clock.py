"""A clock that jumps: nothing is deleted before its time, no job takes less than no time."""

from __future__ import annotations

import time

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account
from tests.faults.lab import Daemon

pytestmark = pytest.mark.long

DAY_S = 86400
KEEP = {"SEEDVR2_JOBS_OUTPUTS_DAYS": "30", "SEEDVR2_JOBS_UPLOADS_DAYS": "7", "SEEDVR2_JOBS_HISTORY_DAYS": "60"}
JUMPS = (-DAY_S, 400 * DAY_S)


def times_are_sane(daemon: Daemon) -> None:
    """No entry of the history ended before it began."""
    for entry in daemon.history():
        taken = entry.get("process_time")
        assert taken is None or taken >= 0, entry


@pytest.mark.parametrize("jump", JUMPS)
def test_jump_between_runs(lab: Lab, jump: int) -> None:
    """the clock is off by -1 day or +400 days for one run: no result and no upload is deleted"""
    daemon = lab.daemon(settings=KEEP).start()
    for number in range(3):
        daemon.submit(f"sent{number}.png")
        daemon.drop(f"dropped{number}.png")
    lab.checked(account(daemon))
    daemon.stop()
    for folder in (daemon.outputs, daemon.uploads):
        lab.foreign.add_tree(folder)
    daemon.order("clock", str(jump))
    lab.fault()
    daemon.start()
    daemon.submit("meanwhile.png")
    lab.checked(account(daemon))
    # The first look of what deletes is at the start; it is over by now, or it would come again in an hour.
    time.sleep(1.0)
    times_are_sane(daemon)
    daemon.stop()
    daemon.revoke("clock")
    daemon.start()
    daemon.submit("after.png")
    lab.checked(account(daemon))
    times_are_sane(daemon)
    lab.checked(lab.foreign.check())


@pytest.mark.parametrize("jump", JUMPS)
def test_jump_during_a_job(lab: Lab, jump: int) -> None:
    """the clock jumps by -1 day or +400 days during a job, and back"""
    daemon = lab.daemon(settings=KEEP).start()
    daemon.order("hold")
    running = daemon.submit("running.png")
    daemon.submit("waits.png")
    daemon.wait(running, "processing")
    daemon.order("clock", str(jump))
    lab.fault()
    daemon.revoke("hold")
    lab.checked(account(daemon))
    daemon.revoke("clock")
    daemon.submit("after.png")
    lab.checked(account(daemon))
    times_are_sane(daemon)
    ids = {entry["id"] for entry in daemon.history()}
    assert ids == set(daemon.accepted)
    daemon.stop()
    daemon.start()
    lab.checked(account(daemon))
    eventually(lambda: not list(daemon.outputs.glob(".work/*/*")))
