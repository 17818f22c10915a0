"""`/api/presets`: named sets of parameters, for the page, forms, sidecars and assistants."""

from __future__ import annotations

from typing import Any

from daemon.api.bodies import body, json_object
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.store.presets import missing, normal


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    presets = context.presets

    def listed() -> dict[str, Any]:
        return {"presets": [_view(context, name) for name in presets]}

    def one(preset: str) -> dict[str, Any]:
        name = normal(preset)
        if name not in presets:
            raise RequestError(404, missing(name, presets))
        return _view(context, name)

    def save(preset: str) -> dict[str, Any]:
        presets.save(preset, json_object(body()))
        return {"status": "saved", "presets": listed()["presets"]}

    def delete(preset: str) -> dict[str, Any]:
        presets.delete(preset)
        return {"status": "deleted", "presets": listed()["presets"]}

    return [
        Route("GET", "/api/presets", listed, "All presets"),
        Route("GET", "/api/presets/<preset>", one, "One preset"),
        Route("PUT", "/api/presets/<preset>", save, "Save a preset, or change it"),
        Route("DELETE", "/api/presets/<preset>", delete, "Delete a saved preset"),
    ]


def _view(context: Context, name: str) -> dict[str, Any]:
    return {"name": name, "parameters": dict(context.presets[name]), "saved": context.presets.is_saved(name)}
