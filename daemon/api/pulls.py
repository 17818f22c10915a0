"""`/api/models/pull…`, `DELETE /api/models/NAME`: fetching models and removing them."""

from __future__ import annotations

import logging
from typing import Any

from daemon.api import views
from daemon.api.asked import CancelPullQuery, PullRequest, RemoveQuery
from daemon.api.bodies import query, read
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.cluster.remote_pulls import RemotePulls
from daemon.errors import RequestError
from seedvr2.catalogue.folder import TEXT_FILES
from seedvr2.catalogue.registry import BY_NAME, find
from seedvr2.catalogue.remove import identity, removable, remove
from seedvr2.errors import CheckpointError, NotOursError, SeedVR2Error
from seedvr2.nano import NAME as NANO

log = logging.getLogger(__name__)
CLUSTER_OFF = "The cluster is off, so only this machine can fetch models; leave `machine` out, or set [cluster] mode."


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def pull() -> dict[str, Any]:
        asked = read(PullRequest)
        elsewhere = _elsewhere(context, asked.machine)
        if elsewhere is not None:
            name, found = elsewhere.request(asked.model, str(asked.machine))
        else:
            found = context.pulls.request(asked.model)
            name = found.name if found else find(asked.model).name
        if found is None:
            return {"status": "installed", "model": name, "pull": None}
        return {"status": "pulling", "model": name, "pull": views.pull(context.redact, found)}

    def pulls() -> dict[str, Any]:
        return {"pulls": all_pulls(context)}

    def cancel(model: str) -> dict[str, Any]:
        machine = query(CancelPullQuery).machine
        elsewhere = _elsewhere(context, machine)
        found = context.pulls.cancel(model) if elsewhere is None else elsewhere.cancel(model, machine)
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
    elsewhere = context.cluster.pulls.all if context.cluster else []
    return [views.pull(context.redact, pull) for pull in (*context.pulls.all, *elsewhere)]


def _elsewhere(context: Context, machine: str | None) -> RemotePulls | None:
    """The downloads on other machines; None if it is this one that is meant."""
    if not machine:
        return None
    if context.cluster is None:
        raise RequestError(400, CLUSTER_OFF, detail={"field": "machine"})
    return None if context.cluster.pulls.is_here(machine) else context.cluster.pulls


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
    context.worker.model_removed(path.name)
    if context.cluster is not None:
        context.cluster.look_again()
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
