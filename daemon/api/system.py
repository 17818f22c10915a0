"""`GET /api/system` and `GET /api/log`: what the service runs on, and what it said last."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.api import views
from daemon.api.asked import LogQuery
from daemon.api.bodies import query
from daemon.api.context import Context
from daemon.api.redact import Secrets
from daemon.api.route import Route
from daemon.outside.logs import LEVELS, TAIL
from daemon.store.space import Space
from seedvr2 import __version__

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
        asked = query(LogQuery)
        found = TAIL.last(asked.lines, LEVELS[asked.level])
        return {
            "lines": [
                {
                    "time": views.timestamp(line.time),
                    "level": line.level,
                    "process": line.process,
                    "logger": views.text(line.logger),
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
