"""Tells one address when a job ends, with retry.

Each message is a file until it is told or given up, so that what waits outlives a crash and a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from daemon.outside.events import Event
from daemon.settings.keys import WebhookSettings
from daemon.store.files import write_durably
from seedvr2 import __version__

log = logging.getLogger(__name__)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
BACKLOG = 1000


class Webhook:
    """Sends `POST url` with the task as JSON. Its own thread, so that a slow receiver holds nothing up."""

    def __init__(
        self, settings: WebhookSettings, folder: Path, describe: Any, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._describe = describe
        self._first_pause_s = first_pause_s
        self._queue: queue.Queue[Path | None] = queue.Queue()
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._thread = threading.Thread(target=self._main, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to send, if there is an address: first what an earlier run could not."""
        if not self._settings.url:
            return
        if self._folder.is_dir():
            for path in sorted(self._folder.glob("*.json")):
                self._queue.put(path)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being sent gets one last try, and the rest waits for the next start."""
        self._stop.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(self._settings.timeout_s + 1)

    def on_event(self, event: Event) -> None:
        """Keep and queue the news that a job has ended."""
        if not self._settings.url or event.progress is not None or not event.job.finished:
            return
        if self._queue.qsize() >= BACKLOG:
            log.error("webhook: %d messages wait already; that of job %s is dropped", BACKLOG, event.job.id)
            return
        message = {"event": f"task.{event.job.state}", "task": self._describe(event.job)}
        path = self._folder / f"{time.time_ns():020}-{event.job.id}.json"
        try:
            self._folder.mkdir(exist_ok=True)
            write_durably(path, json.dumps(message).encode("ascii"))
        except OSError as error:
            log.error("webhook: the message of job %s cannot be kept, it is dropped: %s", event.job.id, error)
            return
        self._queue.put(path)

    def _main(self) -> None:
        while (path := self._queue.get()) is not None:
            if self._stop.is_set():
                return
            try:
                body = path.read_bytes()
                job_id = json.loads(body)["task"]["id"]
            except (OSError, ValueError, LookupError, TypeError) as error:
                log.error("webhook: %s cannot be read, it is dropped: %s", path.name, error)
                path.unlink(missing_ok=True)
                continue
            if self._deliver(body, job_id):
                path.unlink(missing_ok=True)

    def _deliver(self, body: bytes, job_id: Any) -> bool:
        """Whether it is done with, told or given up; otherwise the next start tries again."""
        pause = self._first_pause_s
        for attempt in range(1, self._settings.attempts + 1):
            reason = self._send(body)
            if reason is None:
                return True
            if self._stop.is_set():
                return False
            if attempt < self._settings.attempts:
                self._stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
        log.error("webhook: job %s could not be told after %d tries: %s", job_id, attempt, reason)
        return True

    def _send(self, body: bytes) -> str | None:
        """Why it failed, or None."""
        request = urllib.request.Request(self._settings.url, body, self._headers(body), method="POST")
        try:
            with self._opener.open(request, timeout=self._settings.timeout_s) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return str(error) or type(error).__name__
        return None if 200 <= status < 300 else f"the answer was {status}"

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"seedvr2d/{__version__}"}
        if self._settings.secret:
            signature = hmac.new(self._settings.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-SeedVR2-Signature"] = f"sha256={signature}"
        return headers


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could send the news anywhere."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None
