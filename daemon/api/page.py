"""`/` and `/static/…`: the page, as it lies in `daemon/web`. Holds no secret, so it needs no token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle

from daemon.api.context import Context
from daemon.api.route import Route

WEB = Path(__file__).parent.parent / "web"
# Nothing inline, nothing from elsewhere, and no text becomes markup (the last two lines).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    # A video that was chosen is looked into before it is sent.
    "media-src 'self' blob:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


def routes(_context: Context) -> list[Route]:
    """The routes of this topic."""
    return [
        Route("GET", "/", lambda: send("index.html"), "The page"),
        Route("GET", "/favicon.ico", lambda: send("icon.svg"), "Its icon"),
        Route("GET", "/static/<name:path>", send, "A file of the page"),
    ]


def send(name: str) -> Any:
    """A file of the page; 304 where the browser has it."""
    # Refuses what lies outside of the folder, and makes the ETag.
    kind = TYPES.get(Path(name).suffix, "application/octet-stream")
    answer = bottle.static_file(name, root=str(WEB), mimetype=kind)
    if isinstance(answer, bottle.HTTPError):
        bottle.abort(404)
    answer.set_header("Content-Security-Policy", POLICY)
    answer.set_header("Referrer-Policy", "no-referrer")
    answer.set_header("Cross-Origin-Opener-Policy", "same-origin")
    # Asked for again each time, so an update shows at once; sent again only when it has changed.
    answer.set_header("Cache-Control", "no-cache")
    return answer
