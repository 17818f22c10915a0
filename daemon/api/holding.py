"""`/api/queue/pause` and `/api/queue/resume`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from daemon.api import views
from daemon.api.asked import PauseRequest
from daemon.api.bodies import body, checked, json_object
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.errors import RequestError


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def pause() -> dict[str, Any]:
        context.worker.hold.pause(at_once=_now(body()))
        return _held(context)

    def resume() -> dict[str, Any]:
        context.worker.hold.resume()
        return _held(context)

    return [
        Route("POST", "/api/queue/pause", pause, "Pause the queue"),
        Route("POST", "/api/queue/resume", resume, "Let the queue go on"),
    ]


def state(context: Context) -> dict[str, Any]:
    """Whether the queue is held though nothing is wrong, by what, and until when."""
    hold = context.worker.hold
    held = hold.by
    return {"held_by": held.value if held else None, "held_until": views.timestamp(hold.until)}


def _held(context: Context) -> dict[str, Any]:
    context.worker.notify()
    reason = context.worker.hold.reason
    return {"status": "paused" if reason else "running", "reason": reason or None, **state(context)}


def _now(content: bytes) -> bool:
    """The field `now`, of JSON or of a form: `curl -d` calls both a form."""
    try:
        return checked(PauseRequest, json_object(content)).now
    except RequestError:
        fields = dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))
        if set(fields) != {"now"}:
            raise
        return checked(PauseRequest, {name: text for name, text in fields.items() if text}, strict=False).now
