"""`GET /api/cluster`: the machines with their GPUs, what each does, and why not, where it does nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from daemon.api.context import Context
from daemon.api.route import Route
from daemon.cluster.dispatcher import BEGIN
from daemon.cluster.messages import Place


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def status() -> dict[str, Any]:
        return {
            "mode": context.config.cluster.mode,
            "places": places(context),
            "problems": [context.redact(text) for text in context.cluster.foreman.problems] if context.cluster else [],
            "lacking": context.cluster.foreman.lacking if context.cluster else [],
        }

    return [Route("GET", "/api/cluster", status, "The machines of the cluster and what they do")]


def places(context: Context) -> list[dict[str, Any]]:
    """All places; none where the cluster is off."""
    return [_view(context, place) for place in context.cluster.foreman.places] if context.cluster else []


def _view(context: Context, place: Place) -> dict[str, Any]:
    assert context.cluster is not None
    job, index = context.cluster.foreman.work_at(place.id) or (None, None)
    return {
        **asdict(place),
        "why": context.redact(place.why) or None,
        "model": place.model or None,
        "vae": place.vae or None,
        "task_id": job,
        # None while it looks for the shots of a video, and of a picture.
        "unit": None if index == BEGIN else index,
    }
