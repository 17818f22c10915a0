"""Limits of the process: descriptors that run out, connections that nobody uses."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account, is_well, nothing_failed
from tests.faults.mounts import needs

pytestmark = pytest.mark.long

FILES = 6


def test_descriptors_run_out(lab: Lab) -> None:
    """the limit of open files falls below what is open, and rises again: no file is blamed"""
    daemon = lab.daemon().start()
    lab.foreign.plant_around(daemon)
    daemon.order("hold")
    daemon.submit("running.png")
    eventually(lambda: daemon.health()["worker"] == "processing")
    with requests.Session() as kept:
        # This connection is open already; there will be none for another one.
        assert kept.get(f"{daemon.url}/health", timeout=30).status_code == 200
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        descriptors = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (descriptors, limits[1]))
        lab.fault()
        daemon.revoke("hold")
        for number in range(FILES):
            daemon.drop(f"dropped{number}.png")
        problem = eventually(lambda: kept.get(f"{daemon.url}/health", timeout=30).json()["problems"])
        assert problem
        assert not (daemon.inbox / "_failed").exists()
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
    is_well(daemon)
    lab.checked(account(daemon))
    nothing_failed(daemon)
    lab.checked(lab.foreign.check())


@pytest.mark.parametrize("limit", [128, 256])
def test_idle_connections(lab: Lab, limit: int) -> None:
    """more idle connections than the limit of open files allows: the work goes on, and so does the API"""
    needs("prlimit")
    daemon = lab.daemon(before=("prlimit", f"--nofile={limit}:{limit}"))
    if (sentence := daemon.start_or_refusal()) is not None:
        # So few may be refused, if the sentence says which limit.
        assert "open files" in sentence
        return
    host = urlsplit(daemon.url)
    assert host.hostname and host.port
    with ExitStack() as idle:
        for _ in range(2 * limit):
            connection = idle.enter_context(socket.socket())
            connection.settimeout(0.05)
            try:
                connection.connect((host.hostname, host.port))
            except OSError:
                break
        lab.fault()
        for number in range(FILES):
            daemon.drop(f"dropped{number}.png")
        eventually(lambda: len(list(daemon.outputs.glob("dropped*.png"))) == FILES)
        assert not (daemon.inbox / "_failed").exists()
    daemon.submit("later.png")
    lab.checked(account(daemon))
    nothing_failed(daemon)


def test_inotify_runs_out(lab: Lab) -> None:
    """no inotify instance is left: the inbox is looked at anyway, and the log says so"""
    file = Path("/proc/sys/fs/inotify/max_user_instances")
    needs("setpriv")
    before = file.read_text()
    try:
        file.write_text("0")
    except OSError as error:
        pytest.skip(f"the limit of inotify cannot be set: {error.strerror}")
    try:
        daemon = lab.daemon()
        lab.fault()
        daemon.start()
        daemon.drop("dropped.png")
        lab.checked(account(daemon))
        assert "inotify" in daemon.log
    finally:
        file.write_text(before)
