"""Tells one address when a job ends, with retry. What could not be told in time is given up, and logged."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import queue
import threading
import urllib.error
import urllib.request
from typing import Any

from daemon.events import Event
from daemon.settings import WebhookSettings
from seedvr2 import __version__

log = logging.getLogger(__name__)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
BACKLOG = 1000


class Webhook:
    """Sends `POST url` with the task as JSON. Its own thread, so that a slow receiver holds nothing up."""

    def __init__(self, settings: WebhookSettings, describe: Any, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._settings = settings
        self._describe = describe
        self._first_pause_s = first_pause_s
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(BACKLOG)
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._thread = threading.Thread(target=self._main, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to send, if there is an address."""
        if self._settings.url:
            self._thread.start()

    def stop(self) -> None:
        """End; what is still to be sent gets one last try."""
        self._stop.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return
        if self._thread.ident is not None:
            self._thread.join(self._settings.timeout_s + 1)

    def on_event(self, event: Event) -> None:
        """Queue the news that a job has ended."""
        if not self._settings.url or event.progress is not None or not event.job.finished:
            return
        try:
            self._queue.put_nowait({"event": f"task.{event.job.state}", "task": self._describe(event.job)})
        except queue.Full:
            log.error("webhook: %d messages wait already; that of job %s is dropped", BACKLOG, event.job.id)

    def _main(self) -> None:
        while (message := self._queue.get()) is not None:
            self._deliver(message)

    def _deliver(self, message: dict[str, Any]) -> None:
        pause = self._first_pause_s
        for attempt in range(1, self._settings.attempts + 1):
            reason = self._send(message)
            if reason is None:
                return
            if attempt == self._settings.attempts or self._stop.is_set():
                break
            self._stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        log.error("webhook: job %s could not be told after %d tries: %s", message["task"]["id"], attempt, reason)

    def _send(self, message: dict[str, Any]) -> str | None:
        """Why it failed, or None."""
        body = json.dumps(message).encode("ascii")
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
