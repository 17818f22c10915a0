"""Files that end the process, and files that were only there when it ended."""

from __future__ import annotations

import contextlib

import pytest
import requests

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account
from tests.faults.lab import FINISHED, Daemon

pytestmark = pytest.mark.long

# More starts than any bound on attempts needs.
MOST_STARTS = 12


def killed_until_quiet(lab: Lab, daemon: Daemon, order: str) -> int:
    """Start again after each death until nothing is left to do; answers how often it died."""
    for deaths in range(MOST_STARTS):
        ordered = daemon.left(order)
        daemon.start(may_be_killed=True)
        eventually(lambda ordered=ordered: daemon.left(order) < ordered or quiet(daemon))  # type: ignore[misc]
        if daemon.left(order) == ordered:
            return deaths
        daemon.wait_death()
        lab.fault()
    raise AssertionError(f"it was killed {MOST_STARTS} times, and would be again")


def quiet(daemon: Daemon) -> bool:
    """Whether every file has found its end."""
    if any((daemon.inbox / file).exists() for file in daemon.dropped):
        return False
    with contextlib.suppress(requests.RequestException):
        return all(daemon.status(job_id)["status"] in FINISHED for job_id in daemon.accepted)
    return False


@pytest.mark.parametrize("stage", ["probe", "run"])
def test_poison_in_the_inbox(lab: Lab, stage: str) -> None:
    """a file that ends the process each time, in its probe or its job: to `_failed` after a few starts"""
    daemon = lab.daemon()
    daemon.order(f"{stage}.POISON", "1000")
    daemon.drop("a good.png")
    daemon.drop("bad.png", daemon.picture("bad.png", "POISON"))
    daemon.drop("z good.png")
    deaths = killed_until_quiet(lab, daemon, f"{stage}.POISON")
    assert deaths >= 2, "one death proves nothing against a file"
    # Whether it could be a file's fault needs another try; that others wait for it must have an end.
    lab.checked(account(daemon, failed=("bad.png",)))
    eventually(lambda: (daemon.inbox / "_failed" / "bad.png").is_file())
    reason = (daemon.inbox / "_failed" / "bad.png.error.txt").read_text()
    assert reason.strip().endswith(".")


def test_poison_from_the_api(lab: Lab) -> None:
    """an upload that ends the process each time in its job: fails after a few starts, the others complete"""
    daemon = lab.daemon().start()
    daemon.order("run.POISON", "1000")
    daemon.order("hold")
    daemon.submit("before.png")
    daemon.submit("bad.png", daemon.picture("bad.png", "POISON"))
    for number in range(3):
        daemon.submit(f"behind{number}.png")
    daemon.stop()
    daemon.revoke("hold")
    assert killed_until_quiet(lab, daemon, "run.POISON") >= 2
    lab.checked(account(daemon, failed=("bad.png",)))


def test_poison_in_an_upload(lab: Lab) -> None:
    """an upload that ends the process in its probe: not accepted, nothing of it is left, the others complete"""
    daemon = lab.daemon().start()
    daemon.submit("before.png")
    daemon.order("probe.POISON", "1")
    lab.fault()
    with pytest.raises(OSError):
        daemon.offer("bad.png", daemon.picture("bad.png", "POISON"))
    daemon.wait_death()
    daemon.start()
    daemon.submit("behind.png")
    lab.checked(account(daemon))
    uploads = [file for file in daemon.uploads.rglob("*") if file.is_file() and b"POISON" in file.read_bytes()]
    assert not uploads


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("stage", ["probe", "run"])
def test_healthy_file_killed(lab: Lab, stage: str, times: int) -> None:
    """a healthy file during whose probe or job the process is killed once, twice or three times: completed"""
    daemon = lab.daemon()
    daemon.order(f"{stage}.UNLUCKY", str(times))
    daemon.drop("a good.png")
    daemon.drop("unlucky.png", daemon.picture("unlucky.png", "UNLUCKY"))
    daemon.drop("z good.png")
    assert killed_until_quiet(lab, daemon, f"{stage}.UNLUCKY") == times
    lab.checked(account(daemon))
    failed = daemon.inbox / "_failed"
    assert not failed.exists() or not list(failed.iterdir())


@pytest.mark.parametrize("times", [1, 2, 3])
def test_healthy_upload_killed(lab: Lab, times: int) -> None:
    """a healthy upload during whose job the process is killed once, twice or three times: completed"""
    daemon = lab.daemon().start()
    daemon.order("run.UNLUCKY", str(times))
    daemon.order("hold")
    daemon.submit("before.png")
    daemon.submit("unlucky.png", daemon.picture("unlucky.png", "UNLUCKY"))
    daemon.submit("behind.png")
    daemon.stop()
    daemon.revoke("hold")
    assert killed_until_quiet(lab, daemon, "run.UNLUCKY") == times
    lab.checked(account(daemon))
