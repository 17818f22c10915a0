"""Tells one address when a job ends, with retry.

Each message is a file until it is told or given up, so that what waits outlives a crash and a restart. No trouble with
these files is ever the job's: its worker calls `on_event`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import queue
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from daemon.outside.events import Event
from daemon.outside.outbox import Outbox
from daemon.settings.keys import WebhookSettings
from seedvr2 import __version__

log = logging.getLogger(__name__)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
BACKLOG = 1000


@dataclass(frozen=True, slots=True)
class _Message:
    """A message in its file; `body` has it where the disk would not take it."""

    path: Path
    body: bytes | None = None


class Webhook:
    """Sends `POST url` with the task as JSON. Its own thread, so that a slow receiver holds nothing up."""

    def __init__(
        self, settings: WebhookSettings, folder: Path, describe: Any, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._settings = settings
        self._outbox = Outbox(folder)
        self._describe = describe
        self._first_pause_s = first_pause_s
        self._queue: queue.Queue[_Message | None] = queue.Queue()
        self._queued: set[Path] = set()
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._thread = threading.Thread(target=self._main, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to send, if there is an address: first what an earlier run could not."""
        if not self._settings.url:
            return
        try:
            for path in self._outbox.waiting():
                self._put(_Message(path))
        except OSError as error:
            log.error("webhook: what an earlier run left cannot be listed: %s", error)
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
        body = json.dumps({"event": f"task.{event.job.state}", "task": self._describe(event.job)}).encode("ascii")
        path = self._outbox.path_for(event.job.id)
        try:
            self._outbox.keep(path, body)
        except OSError as error:
            log.error("webhook: the message of job %s would not outlive a restart: %s", event.job.id, error)
            self._put(_Message(path, body))
        else:
            self._put(_Message(path))

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
                log.exception("webhook: %s cannot be told; the next start tries again", message.path.name)
            self._queued.discard(message.path)

    def _read(self, path: Path) -> bytes | None:
        try:
            body = self._outbox.read(path)
            json.loads(body)["task"]["id"]
        except OSError as error:
            log.error("webhook: %s cannot be read, the next start tries again: %s", path.name, error)
            return None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            log.error("webhook: %s is damaged, it is moved aside: %s", path.name, error)
            self._outbox.set_aside(path)
            return None
        return body

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
        try:
            url, credentials = split_credentials(self._settings.url)
            request = urllib.request.Request(url, body, self._headers(body) | credentials, method="POST")
            with self._opener.open(request, timeout=self._settings.timeout_s) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except (http.client.InvalidURL, ValueError):
            # What Python says of it would show the address, which may hold a secret.
            return "webhook.url is not a valid address"
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        return None if 200 <= status < 300 else f"the answer was {status}"

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"seedvr2d/{__version__}"}
        if self._settings.secret:
            signature = hmac.new(self._settings.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-SeedVR2-Signature"] = f"sha256={signature}"
        return headers


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The address without `user:password@`, and the header that says the same. Raises ValueError."""
    parts = urlsplit(url)
    userinfo, found, host = parts.netloc.rpartition("@")
    if not found:
        return url, {}
    encoded = base64.b64encode(unquote(userinfo).encode()).decode("ascii")
    bare = SplitResult(parts.scheme, host, parts.path, parts.query, parts.fragment)
    return bare.geturl(), {"Authorization": f"Basic {encoded}"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could send the news anywhere."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None
