"""`/api/models/pull…`, `DELETE /api/models/NAME`: fetching models and removing them."""

from __future__ import annotations

import logging
from typing import Any

from daemon.api import views
from daemon.api.asked import PullRequest, RemoveQuery
from daemon.api.bodies import query, read
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.errors import RequestError
from seedvr2.catalogue.folder import TEXT_FILES
from seedvr2.catalogue.registry import BY_NAME, find
from seedvr2.catalogue.remove import identity, removable, remove
from seedvr2.errors import CheckpointError, NotOursError, SeedVR2Error
from seedvr2.nano import NAME as NANO

log = logging.getLogger(__name__)


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def pull() -> dict[str, Any]:
        model = read(PullRequest).model
        found = context.pulls.request(model)
        if found is None:
            return {"status": "installed", "model": find(model).name, "pull": None}
        return {"status": "pulling", "model": found.name, "pull": views.pull(context.redact, found)}

    def pulls() -> dict[str, Any]:
        return {"pulls": all_pulls(context)}

    def cancel(model: str) -> dict[str, Any]:
        found = context.pulls.cancel(model)
        return {"status": "cancelled", "model": found.name}

    def delete(model: str) -> dict[str, Any]:
        return _delete(context, model, query(RemoveQuery))

    return [
        Route("POST", "/api/models/pull", pull, "Fetch a model, and what it needs; answers at once"),
        Route("GET", "/api/models/pull", pulls, "The downloads of models: those on their way, and the last ones"),
        Route("POST", "/api/models/pull/<model>/cancel", cancel, "Give up a download; what is there of it is kept"),
        Route("DELETE", "/api/models/<model>", delete, "Delete the file of a model that was fetched"),
    ]


def all_pulls(context: Context) -> list[dict[str, Any]]:
    """All downloads that are told of."""
    return [views.pull(context.redact, pull) for pull in context.pulls.all]


def _delete(context: Context, name: str, asked: RemoveQuery) -> dict[str, Any]:
    try:
        path = removable(name, context.models)
        if asked.file and asked.file != identity(path):
            raise RequestError(404, f"{path.name} is another file here.")
        if context.pulls.of(path.name) is not None:
            raise RequestError(409, f"{path.name} is being fetched; cancel that first.")
        why = _in_use(context, path.name)
        if why:
            raise RequestError(409, f"{path.name} {why}")
        size = remove(path, context.models, force=asked.force)
    except NotOursError as error:
        raise RequestError(403, str(error)) from error
    log.info("the model %s was removed on request", path)
    return {"status": "removed", "model": path.name, "bytes": size}


def _in_use(context: Context, name: str) -> str:
    """Why a file cannot be deleted now, as the end of a sentence; empty if it can."""
    worker, loaded = context.worker, context.executor.model
    companion = name in TEXT_FILES or (name in BY_NAME and BY_NAME[name].kind == "vae")
    current = worker.current
    if current is not None:
        model = loaded or _resolved(context, current.draft.model)
        if name == model or name == _resolved(context, current.draft.model) or (companion and model != NANO):
            return f"is used by the running task {current.id}; wait for its end, or cancel it."
    if loaded is not None and (name == loaded or (companion and loaded != NANO)):
        return "is in memory; release it first (POST /api/gpu/offload)."
    if worker.loading_model is not None and name in (worker.loading_model, _resolved(context, worker.loading_model)):
        return "is being loaded; wait until it is ready, then release it."
    named = {job.draft.model for job in context.queue.waiting() if job.draft.model}
    if any(name == model or name == _full(model) for model in named):
        return "is what waiting tasks ask for; cancel them first."
    return ""


def _resolved(context: Context, model: str) -> str:
    try:
        return context.executor.resolve(model)
    except SeedVR2Error:
        return model


def _full(model: str) -> str:
    try:
        return find(model).name
    except CheckpointError:
        return model
