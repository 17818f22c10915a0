"""`GET /health`: is the service well?"""

from __future__ import annotations

import time
from typing import Any

from daemon.api import views
from daemon.api.cluster import places
from daemon.api.context import Context
from daemon.api.replies import json_response
from daemon.api.route import Route
from daemon.work.worker import Activity
from seedvr2 import __version__


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def health() -> Any:
        activity = context.worker.activity
        well = activity is not Activity.DEAD and not context.stopping.is_set()
        body: dict[str, Any] = {
            "status": "healthy" if well else "unhealthy",
            "version": __version__,
            "queue_enabled": True,
            "queue_length": len(context.queue),
            # On purpose, so it is no problem.
            "queue_held": context.worker.hold.reason or None,
            "timestamp": views.timestamp(time.time()),
            "worker": activity.value,
            "uptime_s": round(time.monotonic() - context.started, 1),
            "inbox": "watching" if context.inbox.is_alive() else "stopped",
            "inbox_pending": context.inbox.pending,
            "kept_bytes": context.operations.kept_bytes,
            "problems": context.problems(),
        }
        if context.cluster is not None:
            body["places"] = {place["id"]: place["state"] for place in places(context)}
        return json_response(body, 200 if well else 503)

    return [Route("GET", "/health", health, "Whether the service is well")]
