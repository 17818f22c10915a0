"""A service with a cluster in a process of its own, which can be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.daemon.cluster.conftest import ROOT, SHORT, child_of, is_there
from tests.daemon.conftest import eventually

_SERVES = """
import json, sys
from pathlib import Path
from tests.daemon.cluster.conftest import begin
running = begin(Path(sys.argv[1]), sys.argv[2], **json.loads(sys.argv[3]))
print(running.service.url, flush=True)
sys.stdin.read()
running.service.stop()
"""
PARTS = ("slot", "gateway", "raylet", "gcs_server", "daemon", "daemon and gateway")


class Apart:
    """Ends with the block.

    Args:
        variables: of its process. settings: as environment variables, besides those of two places on the processor.
    """

    def __init__(
        self, folder: Path, main: str = SHORT, variables: Mapping[str, str] | None = None, **settings: str
    ) -> None:
        self._words = [sys.executable, "-c", _SERVES, str(folder), main, json.dumps(settings)]
        self._environment = {**os.environ, **(variables or {})}
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def __enter__(self) -> Apart:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def start(self) -> None:
        """Start it; its places are there then."""
        self._process = subprocess.Popen(
            self._words, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._url = self._process.stdout.readline().strip()
        assert self._url, "it does not start"

    @property
    def alive(self) -> bool:
        return self._process is not None

    def get(self, path: str) -> Any:
        answer = requests.get(self._url + path, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, clip: Path, **fields: object) -> str:
        with clip.open("rb") as file:
            answer = requests.post(f"{self._url}/api/process", files={"file": file}, data=fields, timeout=10)
        return str(answer.json()["task_id"])

    def segments_done(self, job_id: str) -> int:
        return int(self.get(f"/api/status/{job_id}").get("segments_done") or 0)

    def at_work(self, job_id: str) -> list[str]:
        """The places that work on a job."""
        return [place["id"] for place in self.get("/api/cluster")["places"] if place["task_id"] == job_id]

    def if_finished(self, job_id: str) -> dict[str, Any] | None:
        state: dict[str, Any] = self.get(f"/api/status/{job_id}")
        return state if state["status"] in ("completed", "failed", "cancelled") else None

    # -- processes ----------------------------------------------------------------------------------------

    def gateway(self) -> int:
        """The gateway that runs."""
        assert self._process is not None
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                if b"_gateway\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        raise AssertionError("there is no gateway")

    def slots(self) -> list[int]:
        """The slots that run."""
        found: list[int] = []
        for thread in Path(f"/proc/{child_of(self.gateway(), 'raylet')}/task").iterdir():
            for child in (thread / "children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().startswith("ray::GpuSlot"):
                    found.append(int(child))
        return found

    def strike(self, what: str) -> None:
        """Kill one of `PARTS`, and wait until all is there again, without what was killed."""
        if what.startswith("daemon"):
            self.kill(gateway_too="gateway" in what)
            self.start()
            return
        gateway = self.gateway()
        if what == "slot":
            victim = eventually(self.slots)[0]
        else:
            victim = gateway if what == "gateway" else child_of(gateway, what)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: self._is_whole_without(victim if what == "slot" else gateway), 120)

    def kill(self, *, gateway_too: bool) -> None:
        """Kill the service; the processes of its cluster end with it."""
        process, gateway = self._process, self.gateway()
        assert process is not None
        family = [gateway, child_of(gateway, "raylet"), child_of(gateway, "gcs_server"), *self.slots()]
        self._process = None
        process.send_signal(signal.SIGSTOP)
        if gateway_too:
            # Neither has a moment to tidy up after the other.
            os.kill(gateway, signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        eventually(lambda: not any(is_there(pid) for pid in family))

    def _is_whole_without(self, victim: int) -> bool:
        try:
            processes = [self.gateway(), *self.slots()]
        except (AssertionError, FileNotFoundError, ProcessLookupError):
            return False
        places = self.get("/api/cluster")["places"]
        ready = [place for place in places if place["state"] == "idle" or place["task_id"]]
        return len(processes) == 3 and victim not in processes and len(ready) == 2


class Watch(threading.Thread):
    """Asks the API all the time while there is a service, as long as the block lasts."""

    def __init__(self, apart: Apart) -> None:
        super().__init__(daemon=True)
        self._apart = apart
        self._over = threading.Event()
        self.failures: list[str] = []
        self.slowest = 0.0

    def run(self) -> None:
        while not self._over.wait(0.02):
            if not self._apart.alive:
                continue
            began = time.monotonic()
            try:
                self._apart.get("/health")
            except (requests.RequestException, AssertionError) as error:
                # Killed in between.
                if self._apart.alive:
                    self.failures.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - began)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self.join()
