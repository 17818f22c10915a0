"""`/api/models…`: which models there are, and loading one."""

from __future__ import annotations

from concurrent.futures import CancelledError
from functools import cache
from pathlib import Path
from typing import Any

from daemon.api.asked import ModelsQuery, SwitchRequest
from daemon.api.at_once import AtOnce
from daemon.api.bodies import query, read
from daemon.api.context import Context
from daemon.api.pulls import all_pulls
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.store.files import free_bytes
from daemon.work.worker import Activity
from seedvr2.catalogue.places import home
from seedvr2.catalogue.registry import find
from seedvr2.catalogue.remove import is_ours
from seedvr2.errors import CheckpointError, IncompleteModelError, SeedVR2Error
from seedvr2.nano import NAME as NANO

# Each holds a thread until the running job ends.
MAX_WAITING = 4
# The size that is offered where there is none but the embedded one.
SUGGESTED = "3b"
RETRY_S = 30


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    waiting = AtOnce(MAX_WAITING, "Too many wait for a model already.", retry_s=RETRY_S)

    def models() -> dict[str, Any]:
        return list_models(context, query(ModelsQuery).all)

    def switch() -> dict[str, Any]:
        asked = read(SwitchRequest)
        with waiting.place():
            return _switch(context, asked.model, wait=asked.wait)

    return [
        Route("GET", "/api/models", models, "The models on this machine, or (all=1) all known ones"),
        Route("POST", "/api/models/switch", switch, "Load a model; answers when it is ready"),
    ]


def list_models(context: Context, everything: bool) -> dict[str, Any]:
    """The models, the default one and what is loaded."""
    wanted = context.config.model.default
    try:
        default = context.executor.resolve(wanted)
    except SeedVR2Error:
        default = wanted
    models = context.executor.models(everything)
    only_nano = not any(model["available"] for model in models if model["name"] != NANO)
    return {
        "models": [_with_origin(context, model) for model in models],
        "default": default,
        "current": context.executor.model,
        "loading": context.worker.activity is Activity.LOADING,
        "loading_model": context.worker.loading_model,
        "pulls": all_pulls(context),
        "free_bytes": _free(home(context.models)),
        "suggested": _suggested() if only_nano else None,
    }


def _with_origin(context: Context, model: dict[str, Any]) -> dict[str, Any]:
    ours = model["available"] and model["name"] != NANO and is_ours(model["name"], context.models)
    return model | {"fetched": ours}


@cache
def _suggested() -> str:
    """The recommended file of a real model for the memory of this machine, which stays the same."""
    return find(SUGGESTED).name


def _free(folder: Path) -> int | None:
    """Bytes that are free where models are fetched to; None if that disk does not say."""
    try:
        return free_bytes(next(path for path in (folder, *folder.parents) if path.exists()))
    except OSError:
        return None


def resolve(context: Context, model: str, *, to_wait: bool = False) -> str:
    """The file name of a model that a client named. Raises RequestError (404).

    `to_wait`: a model is good enough that lacks a part; its job waits until that is there.
    """
    try:
        return context.executor.resolve(model)
    except IncompleteModelError as error:
        if to_wait:
            return model
        raise RequestError(404, str(error), detail={"field": "dit_model"}) from error
    except CheckpointError as error:
        raise RequestError(404, str(error), detail={"field": "dit_model"}) from error


def _switch(context: Context, model: str, *, wait: bool) -> dict[str, Any]:
    name = resolve(context, model)
    if context.executor.model == name:
        return {"status": "loaded", "model": name, "already_loaded": True}
    if context.worker.current is not None and not wait:
        raise RequestError(
            409, "A task is running; the model cannot be switched now. Send \"wait\": true to wait for it.",
            headers={"Retry-After": str(RETRY_S)},
        )  # fmt: skip
    try:
        loaded = context.worker.switch(name).result()
    except CancelledError as error:
        raise RequestError(503, "The service is stopping.") from error
    except SeedVR2Error as error:
        raise RequestError(500, f"The model could not be loaded: {error}") from error
    return {"status": "loaded", "model": loaded, "already_loaded": False}
