"""The bottle application: all routes, and what holds for each of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import bottle

from daemon.api import (
    adjust,
    cluster,
    docs,
    download,
    events,
    frames,
    gpu,
    health,
    holding,
    many,
    metrics,
    models,
    page,
    plan,
    presets,
    preview,
    process,
    pulls,
    queue,
    session,
    source,
    system,
    tasks,
    thumbnails,
)
from daemon.api.access import SAFE_METHODS, check_access, origin_allowed
from daemon.api.context import Context
from daemon.api.redact import Redactor
from daemon.api.replies import UNEXPECTED, as_request_error, json_response, problem, problem_body
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.settings.keys import ServerSettings

log = logging.getLogger(__name__)
TOPICS = (
    *(health, gpu, cluster, models, pulls, queue, holding, process, plan, preview, tasks, adjust, download, source),
    *(thumbnails, frames, many, presets, system, events, metrics),
)
PAGES = (page, session)


def all_routes(context: Context) -> list[Route]:
    """Every route of the API."""
    routes = [route for topic in (*TOPICS, *PAGES) for route in topic.routes(context)]
    return [*routes, *docs.routes(context, routes)]


def make_app(context: Context, routes: Iterable[Route] | None = None) -> Any:
    """The WSGI application."""
    app = bottle.Bottle()
    app.default_error_handler = _as_json
    app.add_hook("before_request", lambda: _admit(context))
    app.add_hook("after_request", lambda: _dress(context.config.server))
    for route in all_routes(context) if routes is None else routes:
        app.route(route.path, route.method, _answering(route.handler, context.redact))
    return app


def _answering(handler: Callable[..., Any], redact: Redactor) -> Callable[..., Any]:
    def answer(**arguments: str) -> Any:
        try:
            value = handler(**arguments)
        except bottle.HTTPResponse:
            raise
        except Exception as error:
            # The boundary of the API: the sentence goes to the client, everything else to the log.
            where = f"{bottle.request.method} {bottle.request.path}"
            raise problem(as_request_error(error, where, redact)) from None
        return json_response(value) if isinstance(value, dict) else value

    return answer


def _admit(context: Context) -> None:
    request = bottle.request
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        version = request.environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/")
        check_access(context.config.server, request.method, request.path, headers, version)
        if context.stopping.is_set() and request.method not in SAFE_METHODS:
            raise RequestError(503, "The service is stopping. Try again in a moment.", headers={"Retry-After": "10"})
    except RequestError as error:
        raise problem(error) from None
    if request.method == "OPTIONS":
        raise bottle.HTTPResponse(status=204, headers={"Allow": _allowed(request.path)})


def _allowed(path: str) -> str:
    """The methods that a path has, for the Allow header."""
    found = {}
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        try:
            route, _ = bottle.request.app.match({"PATH_INFO": path, "REQUEST_METHOD": method})
        except bottle.HTTPError:
            continue
        found[method] = route.rule
    if not found:
        raise bottle.HTTPError(404)
    # A path of its own is not one of those that a rule with names in it stands for.
    own = [method for method, rule in found.items() if rule == path]
    return ", ".join([*(own or found), "OPTIONS"])


def _dress(server: ServerSettings) -> None:
    response, origin = bottle.response, bottle.request.get_header("Origin", "")
    response.set_header("X-Content-Type-Options", "nosniff")
    if not response.get_header("Cache-Control"):
        response.set_header("Cache-Control", "no-store")
    if server.cors_origins and origin_allowed(server, origin, bottle.request.get_header("Host", "")):
        response.set_header("Access-Control-Allow-Origin", origin)
        response.set_header("Vary", "Origin")
        response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Range")
        response.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS")
        response.set_header(
            "Access-Control-Expose-Headers", "Accept-Ranges, Content-Disposition, Content-Range, ETag, Retry-After"
        )


def _as_json(error: Any) -> str:
    """What bottle itself refuses (404, 405, a bad path), in our form."""
    status, path = int(error.status_code), bottle.request.path[:200]
    if status >= 500 and error.exception is not None:
        log.error("unexpected error in %s", path, exc_info=error.exception)
    sentences = {
        404: f"There is nothing at {path!r}.",
        405: f"{bottle.request.method[:20]} is not possible at {path!r}.",
        500: UNEXPECTED,
    }
    bottle.response.content_type = "application/json"
    return json.dumps(problem_body(RequestError(status, sentences.get(status, f"{HTTPStatus(status).phrase}."))))
