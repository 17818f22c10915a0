"""`/docs` and `/openapi.json`: the API described by the server itself, without any network.

Swagger UI's files come from the package flask-swagger-ui; only its files are used, Flask is never imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bottle

from daemon.api.context import Context
from daemon.api.openapi import build
from daemon.api.route import Route
from daemon.errors import RequestError

HERE = Path(__file__).parent
# Swagger UI's style sheet has data: images, and it shows pictures and videos that it fetched as blob: ones.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
PAGES = ("/docs", "/docs/", "/apidocs", "/apidocs/")
DOCUMENTS = ("/openapi.json", "/apispec_1.json")


def routes(context: Context, described: Sequence[Route]) -> list[Route]:
    """The routes of this topic; `described` are those of all others."""

    @cache
    def document() -> bytes:
        return json.dumps(build([*described, *own], context.config), ensure_ascii=False).encode()

    def openapi() -> Any:
        return bottle.HTTPResponse(document(), 200, headers={"Content-Type": "application/json"})

    own = [Route("GET", path, openapi, "This document") for path in DOCUMENTS]
    pages = [Route("GET", path, _page, "The API, to look at and to try") for path in PAGES]
    files = [Route("GET", f"/docs/{name}", _sender(name), "A file of that page") for name in FILES]
    return [*own, *pages, *files]


def _page() -> Any:
    return _send(HERE / "docs.html", "text/html; charset=utf-8")


def _sender(name: str) -> Callable[[], Any]:
    find, kind = FILES[name]
    return lambda: _send(find(), kind)


def _send(path: Path, kind: str) -> Any:
    answer = bottle.static_file(path.name, root=str(path.parent), mimetype=kind)
    answer.set_header("Content-Security-Policy", POLICY)
    answer.set_header("Referrer-Policy", "no-referrer")
    # Asked for again each time, but sent again only when it has changed.
    answer.set_header("Cache-Control", "no-cache")
    return answer


def _shipped(name: str) -> Callable[[], Path]:
    return lambda: swagger_ui() / name


@cache
def swagger_ui() -> Path:
    """The folder of Swagger UI's files. Raises RequestError (404) where the package is missing."""
    # Only looked for: importing it would import Flask.
    spec = find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise RequestError(404, "Swagger UI is not installed. Install it with: pip install flask-swagger-ui.")
    return Path(spec.origin).parent / "dist"


FILES: dict[str, tuple[Callable[[], Path], str]] = {
    "start.js": (lambda: HERE / "docs.js", "text/javascript"),
    "swagger-ui-bundle.js": (_shipped("swagger-ui-bundle.js"), "text/javascript"),
    "swagger-ui.css": (_shipped("swagger-ui.css"), "text/css"),
    "favicon.png": (_shipped("favicon-32x32.png"), "image/png"),
}
