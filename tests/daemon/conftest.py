"""A running service on a real port and real folders, with a fast executor in the engine's place."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import requests
from PIL import Image

from daemon.engine.executor import Executor
from daemon.inbox import settle
from daemon.jobs.job import Job
from daemon.service import Service
from daemon.settings.config import Config, load_config
from daemon.work import board, loop
from tests.daemon.answers import check_answer
from tests.daemon.executors import FakeExecutor

T = TypeVar("T")
# Far longer than anything takes on an idle machine: a test fails by what is wrong, not by a busy processor.
PATIENCE_S = 60.0
QUICK = {
    "PORT": "0",
    "SEEDVR2_INBOX_SETTLE_S": "0.05",
    "SEEDVR2_INBOX_GIVE_UP_S": "0.2",
    "SEEDVR2_INBOX_RESCAN_S": "0.2",
    "SEEDVR2_JOBS_MIN_FREE_MB": "0",
}


class Running:
    """A started service, its folders, and the questions that tests ask of it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.config = service.config
        self.inbox = service.config.paths.inbox
        self.outputs = service.config.paths.outputs
        self.http = requests.Session()
        self.http.hooks["response"].append(check_answer)

    @property
    def executor(self) -> FakeExecutor:
        assert isinstance(self.service.executor, FakeExecutor)
        return self.service.executor

    def get(self, path: str, **more: object) -> requests.Response:
        return self.http.get(self.service.url + path, timeout=10, **more)

    def post(self, path: str, **more: object) -> requests.Response:
        return self.http.post(self.service.url + path, timeout=10, **more)

    def delete(self, path: str) -> requests.Response:
        return self.http.delete(self.service.url + path, timeout=10)

    def submit(self, name: str = "photo.png", content: bytes | None = None, **fields: object) -> str:
        answer = self.post("/api/process", files={"file": (name, content or png())}, data=fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["task_id"])

    def finished(self, job_id: str) -> dict[str, object]:
        return eventually(lambda: self._if_finished(job_id))

    def _if_finished(self, job_id: str) -> dict[str, object] | None:
        status = self.get(f"/api/status/{job_id}").json()
        archived = job_id not in {job.id for job in self.service.store.open_jobs()}
        return status if status["status"] in ("completed", "failed", "cancelled") and archived else None

    def history(self) -> list[Job]:
        """The finished jobs whose source has been settled, newest first."""
        open_ids = {job.id for job in self.service.store.open_jobs()}
        finished = self._finished()
        return [job for job in finished if job.id not in open_ids]

    def _finished(self) -> list[Job]:
        return self.service.store.history(1000, ("completed", "failed", "cancelled"))

    def results(self) -> list[Path]:
        # Not by rglob, which fails where a folder of unfinished work goes while it looks.
        files = (Path(folder, name) for folder, _, names in os.walk(self.outputs) for name in names)
        return sorted(each for each in files if each.is_file() and each.suffix != ".json")


def eventually(ask: Callable[[], T], timeout: float = PATIENCE_S) -> T:
    """The first answer that is true; fails when there is none in time."""
    deadline, rest_s = time.monotonic() + timeout, 0.005
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        # Who asks all the time takes the processor from what is waited for.
        time.sleep(rest_s)
        rest_s = min(rest_s * 1.3, 0.1)
    raise AssertionError(f"it did not happen within {timeout} s")


def picture(path: Path, colour: str = "teal", size: tuple[int, int] = (32, 24)) -> Path:
    """A small PNG at `path`, put there at once by a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.parent / ".picture.part"
    Image.new("RGB", size, colour).save(hidden, "PNG")
    hidden.replace(path)
    return path


def png(colour: str = "teal", size: tuple[int, int] = (32, 24)) -> bytes:
    """A small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def make_config(folder: Path, **environment: str) -> Config:
    """A configuration with all folders in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {f"SEEDVR2_PATHS_{name.upper()}": str(folder / name) for name in ("inbox", "outputs", "state", "models")}
    file = folder / "config.toml"
    return load_config(file if file.exists() else None, paths | QUICK | environment)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts services on the test's folder; ends those that still run."""
    started: list[Service] = []
    # What was refused is tried again soon.
    monkeypatch.setattr(board, "TICK_S", 0.1)
    monkeypatch.setattr(loop, "TICK_S", 0.1)
    monkeypatch.setattr(settle, "AGAIN_S", 0.1)

    def begin(executor: Executor | None = None, folder: Path = tmp_path, **environment: str) -> Running:
        service = Service(make_config(folder, **environment), executor or FakeExecutor())
        started.append(service)
        service.start()
        assert service.inbox.scanned.wait(PATIENCE_S)
        return Running(service)

    yield begin
    for service in started:
        service.stop()


@pytest.fixture
def running(start: Start) -> Running:
    """A service with default settings, only quicker."""
    return start()
