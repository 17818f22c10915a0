"""The OpenAPI 3.1 document of the running server: its routes, with what the tables say about them."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from daemon.api.answers.service import Error
from daemon.api.asked import request_models
from daemon.api.bodies import Query
from daemon.api.described import OPERATIONS, headers
from daemon.api.described.examples import ID, PREVIEW_ID, UPLOAD_ID
from daemon.api.described.operation import Operation
from daemon.api.gate import FILE_OR_TASK_PATHS, MAX_BODY
from daemon.api.replies import UNEXPECTED
from daemon.api.route import Route
from daemon.api.shapes import BINARY, Schema, components, named, ref
from daemon.api.surroundings import NO_ROOM, refused
from daemon.settings.config import Config
from seedvr2 import __version__

ABOUT = """\
Upscales and restores videos and pictures with SeedVR2.

Submit a file with `POST /api/process`, ask `GET /api/status/{task_id}` or listen to
`GET /api/tasks/{task_id}/events`, then fetch it from `GET /api/download/{task_id}`.

Every answer that is no file is JSON, errors too: `{"error": "one sentence that says what to do"}`.
HEAD works on every GET. Times are ISO 8601 in UTC."""
TAGS = {
    "Tasks": "Submit, follow, download, cancel.",
    "Queue": "What waits, runs and is done.",
    "Models": "Which there are, and loading one.",
    "GPU": "Its memory.",
    "Events": "Server-sent events.",
    "Service": "Health and metrics.",
}
OPEN = ("/health",)


def _in_path(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {
        "name": name, "in": "path", "required": True, "schema": schema, "description": description, "example": example
    }  # fmt: skip


IN_PATHS = (
    _in_path("task_id", "The id that submitting answered.", ID),
    _in_path("preview_id", "The id of a preview.", PREVIEW_ID),
    _in_path("upload_id", "The id of a file that is kept.", UPLOAD_ID),
    _in_path("model", "File name of a model, or short: 3b-q4.", "3b-q4"),
    _in_path("preset", "The name of a preset.", "film"),
    _in_path("name", "The name of one of its images.", "sheet.png"),
)


def is_described(route: Route) -> bool:
    """Whether a route belongs to the API, rather than to the pages that people look at."""
    return route.path.startswith("/api/") or (route.method, route.path) in OPERATIONS


def answers() -> list[type[BaseModel]]:
    """The models of all that is answered as JSON."""
    return [Error, *(operation.answer for operation in OPERATIONS.values() if operation.answer)]


def build(routes: Iterable[Route], config: Config) -> dict[str, Any]:
    """The document. A route that nobody described is in it too, with its summary alone."""
    schemas = components([*answers(), *request_models(config.defaults)])
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if is_described(route):
            path = re.sub(r"<(\w+)>", r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, config, schemas)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "SeedVR2 Video Upscaler",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if config.server.token:
        scheme = {"type": "http", "scheme": "bearer", "description": "server.token of the configuration."}
        document["components"]["securitySchemes"] = {"token": scheme}
        document["security"] = [{"token": []}]
    return document


def _operation(route: Route, config: Config, schemas: Mapping[str, Schema]) -> dict[str, Any]:
    described = OPERATIONS.get((route.method, route.path)) or Operation("Service", _name(route))
    operation: dict[str, Any] = {
        "operationId": described.name,
        "tags": [described.tag],
        "summary": route.summary,
        "responses": _responses(route, described, config),
    }
    if described.about:
        operation["description"] = described.about
    parameters = [each for each in IN_PATHS if f"<{each['name']}>" in route.path]
    if described.query:
        parameters += _query(described.query)
    if BINARY in described.media.values() and described.kept:
        parameters += [*headers.IF_CHANGED, *(headers.IN_PARTS if described.in_parts else ())]
    if parameters:
        operation["parameters"] = parameters
    sent = {"multipart/form-data": described.form, "application/json": described.body}
    content = {kind: {"schema": named(name)} for kind, name in sent.items() if name}
    if content:
        # Without a body, everything takes its default where nothing has to be named.
        required = bool(described.form) or "required" in schemas[described.body]
        operation["requestBody"] = {"required": required, "content": content}
    if route.path in OPEN:
        operation["security"] = []
    return operation


def _responses(route: Route, described: Operation, config: Config) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Done.", "content": _content(described)}}
    if BINARY in described.media.values():
        responses |= _file_responses(described)
    if route.path in OPEN:
        responses["503"] = {"description": "Not well.", "content": _content(described)}
    errors = {**_common_errors(route, config), **described.errors}
    for status, sentence in sorted(errors.items()):
        responses[str(status)] = _error(status, sentence, described)
    return dict(sorted(responses.items()))


def _common_errors(route: Route, config: Config) -> dict[int, str]:
    errors = {403: "The host 'evil.example' is not served here. Add it to server.allowed_hosts if it should be."}
    if config.server.token and route.path not in OPEN:
        errors[401] = "Send the token of this server as 'Authorization: Bearer TOKEN'."
    if route.path not in OPEN:
        errors[500] = UNEXPECTED
        errors[503] = str(refused(errno.EIO))
    if route.method != "GET":
        errors[413] = f"The body is too large: this takes up to {MAX_BODY >> 10} KiB."
        errors[503] = "The service is stopping. Try again in a moment."
        errors[507] = NO_ROOM
    if route.path in ("/api/process", *FILE_OR_TASK_PATHS):
        errors[413] = f"The file is too large: this server takes up to {config.server.max_upload_mb} MiB."
        errors[503] = "The queue is full. Try again later."
    if route.path == "/api/plan":
        errors[503] = "The service is stopping. Try again in a moment."
    if route.path == "/api/preview":
        errors[503] = "Other previews are being made; try again soon."
    return errors


def _content(described: Operation) -> dict[str, Any]:
    if described.media:
        return {kind: {"schema": schema} for kind, schema in described.media.items()}
    if not described.answer:
        return {"application/json": {"schema": {"type": "object"}}}
    content: dict[str, Any] = {"schema": ref(described.answer)}
    if described.examples:
        content["examples"] = {name: {"value": value} for name, value in described.examples.items()}
    return {"application/json": content}


def _file_responses(described: Operation) -> dict[str, Any]:
    content = _content(described)
    if not described.kept:
        return {"200": {"description": "The file.", "headers": headers.DISPOSITION, "content": content}}
    told = headers.ETAG
    responses: dict[str, Any] = {"304": {"description": "It is the one that the client has.", "headers": told}}
    if described.in_parts:
        told = told | headers.WHOLE
        partly = told | headers.PART
        responses["206"] = {"description": "The part asked for.", "headers": partly, "content": content}
    return {"200": {"description": "The file.", "headers": told, "content": content}, **responses}


def _error(status: int, sentence: str, described: Operation) -> dict[str, Any]:
    content = {"application/json": {"schema": ref(Error), "example": {"error": sentence}}}
    told = headers.OF_ERRORS.get(status, {}) | (headers.LATER if status in described.passing else {})
    return {"description": HTTPStatus(status).phrase, **({"headers": told} if told else {}), "content": content}


def _query(model: type[Query]) -> list[dict[str, Any]]:
    described = []
    for name, schema in components([model])[model.__name__]["properties"].items():
        meaning = schema.pop("description")
        # Empty means the default, as everywhere.
        described.append(
            {"name": name, "in": "query", "schema": schema, "description": meaning, "allowEmptyValue": True}
        )
    return described


def _name(route: Route) -> str:
    return re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_")
