"""Random calls of the API against a real server, malformed ones and right ones in any order."""

from __future__ import annotations

import random
from urllib.parse import urlsplit

import pytest

from tests.daemon.api.raw import exchange, json_of, status_of
from tests.daemon.api.test_fuzz import any_form, any_request
from tests.faults.conftest import Lab
from tests.faults.invariants import account, is_well
from tests.faults.lab import Daemon

pytestmark = pytest.mark.long

CALLS = 2000
REFUSALS = (503, 507)
ABOUT_A_TASK = (
    "GET /api/status/{}", "GET /api/download/{}", "GET /api/queue/position/{}", "GET /api/tasks/{}/source",
    "POST /api/tasks/{}/retry", "POST /api/tasks/{}/cancel", "DELETE /api/tasks/{}",
    "GET /api/queue/status", "GET /api/queue/history", "GET /api/models", "POST /api/gpu/offload", "GET /metrics",
)  # fmt: skip


class Caller:
    """Calls at random, and remembers what became of the tasks."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self.daemon = daemon
        self.chance = random.Random(seed)
        self.foreign: set[str] = set()
        self.sent = 0
        self._port = urlsplit(daemon.url).port or 0

    def call(self) -> None:
        """One call of some kind."""
        kind = self.chance.random()
        if kind < 0.4:
            self._malformed(any_request(self.chance))
        elif kind < 0.6:
            self._malformed(any_form(self.chance))
        elif kind < 0.75:
            self.sent += 1
            self.daemon.submit(f"sent{self.sent}.png")
        else:
            self._about_a_task()

    def _malformed(self, request: bytes) -> None:
        if b"/events" in request:
            return
        answer = exchange(self._port, request, timeout=5)
        status = status_of(answer)
        assert status < 500 or status in REFUSALS, (request, answer)
        if status == 200 and b'"task_id"' in answer and b'"queued"' in answer:
            self.foreign.add(str(json_of(answer)["task_id"]))

    def _about_a_task(self) -> None:
        method, _, path = self.chance.choice(ABOUT_A_TASK).partition(" ")
        known = [*self.daemon.accepted, *self.foreign, "00000000"]
        job_id = self.chance.choice(known)
        request = f"{method} {path.format(job_id)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        answer = exchange(self._port, request.encode(), timeout=10)
        status = status_of(answer)
        assert 200 <= status < 500, (request, answer)
        if status == 200 and path.endswith(("/cancel", "}")) and method in ("POST", "DELETE"):
            # It was asked for: this one need not complete.
            self.daemon.accepted.pop(job_id, None)
        elif status == 200 and path.endswith("/retry"):
            self.foreign.add(str(json_of(answer)["task_id"]))


def test_random_calls(lab: Lab) -> None:
    """2,000 random calls of the API, with a kill after each 500"""
    daemon = lab.daemon().start()
    lab.foreign.plant_around(daemon)
    caller = Caller(daemon, 16)
    for number in range(1, CALLS + 1):
        caller.call()
        if number % 500 == 0:
            assert daemon.alive
            daemon.kill()
            daemon.start()
            caller = renewed(caller)
    lab.fault(CALLS)
    lab.checked(account(daemon))
    for job_id in caller.foreign:
        status = daemon.get(f"/api/status/{job_id}")
        assert status.status_code == 404 or daemon.wait(job_id)
    is_well(daemon)
    lab.checked(lab.foreign.check())


def renewed(caller: Caller) -> Caller:
    """The same caller, calling the new process."""
    again = Caller(caller.daemon, caller.sent)
    again.foreign, again.sent = caller.foreign, caller.sent
    return again
