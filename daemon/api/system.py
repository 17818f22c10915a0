"""`GET /api/system` and `GET /api/log`: what the service runs on, and what it said last."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle

from daemon.api import views
from daemon.api.context import Context
from daemon.api.redact import Secrets
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.outside.logs import KEPT_LINES, LEVELS, TAIL
from daemon.store.space import Space
from seedvr2 import __version__

USUAL_LINES = 200
# Asked for by their metadata: importing some of them takes seconds and a gigabyte.
LIBRARIES = ("torch", "triton", "numpy", "av", "pillow", "safetensors", "waitress", "bottle", "tinydb", "mcp")


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    space, secrets = Space(dict(_folders(context))), Secrets(context.config)

    def system() -> dict[str, Any]:
        file = context.config.file
        return {
            "version": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "uptime_s": round(time.monotonic() - context.started, 1),
            "config_file": views.text(str(file)) if file else None,
            "libraries": [{"name": name, "version": version} for name, version in _libraries()],
            "folders": [
                {
                    "name": name,
                    "path": views.text(str(room.path)),
                    "free_bytes": room.free,
                    "total_bytes": room.total,
                    "problem": room.problem or None,
                }
                for name, room in space.look().items()
            ],
            "problems": context.problems(),
        }

    def log() -> dict[str, Any]:
        query = bottle.request.query
        found = TAIL.last(_lines(query.get("lines")), _level(query.get("level")))
        return {
            "lines": [
                {
                    "time": views.timestamp(line.time),
                    "level": line.level,
                    "logger": line.logger,
                    "message": views.text(context.redact(secrets(line.message))),
                }
                for line in found
            ]
        }

    return [
        Route("GET", "/api/system", system, "Folders with their free space, and versions"),
        Route("GET", "/api/log", log, "The last lines of the service's log"),
    ]


def _folders(context: Context) -> Iterator[tuple[str, Path]]:
    paths = context.config.paths
    yield from (
        ("inbox", paths.inbox),
        ("outputs", paths.outputs),
        ("state", paths.state),
        ("uploads", context.uploads),
    )
    for number, folder in enumerate(context.models, 1):
        yield f"models ({number})" if number > 1 else "models", folder


def _libraries() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _lines(text: str | None) -> int:
    try:
        return min(max(int(text or USUAL_LINES), 1), KEPT_LINES)
    except ValueError:
        said = f"lines takes a whole number, not {(text or '')[:40]!r}."
        raise RequestError(400, said, detail={"field": "lines"}) from None


def _level(text: str | None) -> int:
    if not text:
        return logging.DEBUG
    if text not in LEVELS:
        said = f"level takes one of {', '.join(LEVELS)}, not {text[:40]!r}."
        raise RequestError(400, said, detail={"field": "level"})
    return LEVELS[text]
