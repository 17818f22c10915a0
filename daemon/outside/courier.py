"""Tells somebody when a job ends, with retry; who that is, and how, is a subclass's.

Each message is a file until it is told or given up, so that what waits outlives a crash and a restart. No trouble with
these files is ever the job's: its worker calls `on_event`.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.jobs.job import Job
from daemon.outside.events import Event
from daemon.outside.outbox import Outbox

log = logging.getLogger(__name__)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
BACKLOG = 1000


@dataclass(frozen=True, slots=True)
class _Message:
    """A message in its file; `body` has it where the disk would not take it."""

    path: Path
    body: bytes | None = None


class Courier(ABC):
    """One receiver. Its own thread, so that a slow one holds nothing up.

    `problem` is a sentence where the last message could not be delivered; empty if all is well.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        describe: Callable[[Job], dict[str, Any]],
        *,
        attempts: int,
        patience_s: float,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """`name` is what the log and `problem` call it; `patience_s`: how long one try may take."""
        self.problem = ""
        self._name = name
        self._outbox = Outbox(folder, name)
        self._describe = describe
        self._attempts = attempts
        self._patience_s = patience_s
        self._first_pause_s = first_pause_s
        self._queue: queue.Queue[_Message | None] = queue.Queue()
        self._queued: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        """Begin to send, if there is anybody to tell: first what an earlier run could not."""
        if not self.wanted:
            return
        try:
            for path in self._outbox.waiting():
                self._put(_Message(path))
        except OSError as error:
            log.error("%s: what an earlier run left cannot be listed: %s", self._name, error)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being sent gets one last try, and the rest waits for the next start."""
        self._stop.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(self._patience_s + 1)

    def on_event(self, event: Event) -> None:
        """Keep and queue the news that a job has ended."""
        if not self.wanted or event.progress is not None or not event.job.finished or not self.cares(event.job):
            return
        if self._queue.qsize() >= BACKLOG:
            log.error("%s: %d messages wait already; that of job %s is dropped", self._name, BACKLOG, event.job.id)
            return
        body = json.dumps({"event": f"task.{event.job.state}", "task": self._describe(event.job)}).encode("ascii")
        path = self._outbox.path_for(event.job.id)
        try:
            self._outbox.keep(path, body)
        except OSError as error:
            log.error("%s: the message of job %s would not outlive a restart: %s", self._name, event.job.id, error)
            self._put(_Message(path, body))
        else:
            self._put(_Message(path))

    @property
    @abstractmethod
    def wanted(self) -> bool:
        """Whether there is anybody to tell."""

    def cares(self, _job: Job) -> bool:
        """Whether this one is told of a job that has ended."""
        return True

    @abstractmethod
    def _send(self, body: bytes) -> str | None:
        """Send a message, a JSON object with `event` and `task`. Answers why that failed, or None."""

    def _put(self, message: _Message) -> None:
        # A job may end before the start has listed what is there.
        if message.path not in self._queued:
            self._queued.add(message.path)
            self._queue.put(message)

    def _main(self) -> None:
        while (message := self._queue.get()) is not None:
            if self._stop.is_set():
                return
            try:
                body = message.body or self._read(message.path)
                if body is not None and self._deliver(body, json.loads(body)["task"]["id"]):
                    self._outbox.remove(message.path)
            except Exception:
                # The boundary around each message: one that nobody foresaw keeps back no other.
                log.exception("%s: %s cannot be told; the next start tries again", self._name, message.path.name)
            self._queued.discard(message.path)

    def _read(self, path: Path) -> bytes | None:
        try:
            body = self._outbox.read(path)
            json.loads(body)["task"]["id"]
        except OSError as error:
            log.error("%s: %s cannot be read, the next start tries again: %s", self._name, path.name, error)
            return None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            log.error("%s: %s is damaged, it is moved aside: %s", self._name, path.name, error)
            self._outbox.set_aside(path)
            return None
        return body

    def _deliver(self, body: bytes, job_id: Any) -> bool:
        """Whether it is done with, told or given up; otherwise the next start tries again."""
        pause = self._first_pause_s
        for attempt in range(1, self._attempts + 1):
            reason = self._send(body)
            self.problem = f"{self._name}: the last message could not be delivered: {reason}." if reason else ""
            if reason is None:
                return True
            if self._stop.is_set():
                return False
            if attempt < self._attempts:
                self._stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
        log.error("%s: job %s could not be told after %d tries: %s", self._name, job_id, attempt, reason)
        return True
