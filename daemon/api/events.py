"""Server-sent events: what happens to one task, or to all, as it happens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import bottle

from daemon.api import views
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.outside.events import Event, Notice, Subscription

HEARTBEAT_S = 15.0
# A client reconnects by itself; a stream that never ends would hide one that forgot to close.
MAX_AGE_S = 3600.0
TICK_S = 1.0


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    places = threading.BoundedSemaphore(context.config.server.max_streams)

    def all_events() -> Any:
        return _stream(context, places, None)

    def task_events(task_id: str) -> Any:
        context.operations.find(task_id)
        return _stream(context, places, task_id)

    return [
        Route(
            "GET",
            "/api/events",
            all_events,
            "What happens to tasks and downloads, as server-sent events",
        ),
        Route("GET", "/api/tasks/<task_id>/events", task_events, "State and progress of a task, as server-sent events"),
    ]


def _stream(context: Context, places: threading.BoundedSemaphore, task_id: str | None) -> Any:
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    if bottle.request.method == "HEAD":
        return bottle.HTTPResponse(status=200, headers=headers)
    if not places.acquire(blocking=False):
        raise RequestError(503, "Too many event streams are open.", headers={"Retry-After": "10"})
    # Subscribed before the present state is read, so that nothing falls between them.
    subscription = context.hub.subscribe(task_id)
    gone = bottle.request.environ.get("waitress.client_disconnected", lambda: False)
    return bottle.HTTPResponse(
        _Body(_messages(context, subscription, task_id, gone), places, subscription), 200, headers
    )


class _Body:
    """The messages; `close`, which the server always calls, gives the place back."""

    def __init__(
        self, messages: Iterator[bytes], places: threading.BoundedSemaphore, subscription: Subscription
    ) -> None:
        self._messages = messages
        self._places = places
        self._subscription = subscription
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._messages

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._subscription.close()
            self._places.release()


def _messages(
    context: Context, subscription: Subscription, task_id: str | None, gone: Callable[[], bool]
) -> Iterator[bytes]:
    began = last = time.monotonic()
    yield b"retry: 2000\n\n"
    if task_id is not None:
        job = context.operations.find(task_id)
        yield message("state", 0, views.task(context, job))
        if job.finished:
            return
    while not subscription.closed and not gone() and time.monotonic() - began < MAX_AGE_S:
        event = subscription.next(TICK_S)
        if event is not None:
            last = time.monotonic()
            yield _of(context, event)
            if task_id is not None and isinstance(event, Event) and event.job.finished:
                return
        elif time.monotonic() - last >= HEARTBEAT_S:
            last = time.monotonic()
            yield b": still here\n\n"


def _of(context: Context, event: Event | Notice) -> bytes:
    if isinstance(event, Notice):
        return message(event.kind, event.number, event.data)
    place = views.position(context, event.job)
    kind = "progress" if event.progress else "state"
    return message(kind, event.number, views.task_with(context, event.job, event.progress, place))


def message(kind: str, number: int, data: dict[str, Any]) -> bytes:
    """One event of a stream."""
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n".encode("ascii")
