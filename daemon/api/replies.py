"""Answers: JSON in UTF-8, errors included, none with a path or a traceback in it."""

from __future__ import annotations

import json
import logging
from typing import Any

import bottle

from daemon.api.redact import Redactor
from daemon.api.surroundings import RETRY, of_surroundings
from daemon.errors import RequestError, ServiceError, StoreError
from seedvr2.errors import ModelNotInstalledError, OptionError, SeedVR2Error

log = logging.getLogger(__name__)
UNEXPECTED = "The server failed unexpectedly; its log says more."


def json_response(value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Any:
    """An answer of JSON."""
    # ASCII escapes are UTF-8 too, and cannot be misread by a client that guesses the encoding.
    body = json.dumps(value).encode("ascii")
    return bottle.HTTPResponse(body, status=status, headers={"Content-Type": "application/json", **(headers or {})})


def problem(error: RequestError) -> Any:
    """The answer that an error means."""
    return json_response(problem_body(error), error.status, error.headers)


def problem_body(error: RequestError) -> dict[str, Any]:
    """`{"error": sentence, "detail": …}`."""
    body: dict[str, Any] = {"error": _readable(str(error))}
    if error.detail is None:
        return body
    return body | {"detail": {name: _readable(value) for name, value in error.detail.items()}}


def _readable(value: Any) -> Any:
    # What a client sent may be no Unicode, and come back in the sentence about it.
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def as_request_error(error: Exception, where: str, redact: Redactor) -> RequestError:
    """The status and the sentence for whatever a route raised; what nobody foresaw goes to the log."""
    if isinstance(error, RequestError):
        return RequestError(error.status, redact(str(error)), detail=error.detail, headers=error.headers)
    if isinstance(error, OptionError):
        return RequestError(400, redact(str(error)), detail={"field": error.name})
    if isinstance(error, ModelNotInstalledError):
        return RequestError(404, redact(str(error)))
    refusal = of_surroundings(error)
    if refusal is not None:
        # Too large is the client's matter; all else is for whoever keeps the machine.
        log.log(logging.INFO if refusal.status == 413 else logging.ERROR, "%s: %s", where, error)
        return RequestError(refusal.status, redact(str(refusal)), headers=refusal.headers)
    if isinstance(error, StoreError):
        log.error("%s: %s", where, error)
        return RequestError(503, redact(str(error)), headers=RETRY)
    if isinstance(error, SeedVR2Error | ServiceError):
        return RequestError(400, redact(str(error)))
    log.error("unexpected error in %s", where, exc_info=error)
    return RequestError(500, UNEXPECTED)
