"""The body of a request that is a JSON object."""

from __future__ import annotations

import json
from typing import Any

import bottle

from daemon.errors import RequestError


def json_body(example: str) -> dict[str, Any]:
    """The object in the body. Raises RequestError (400), with the example in its sentence."""
    # Whatever its Content-Type: `curl -d` says it is a form. The gate has limited its length.
    raw = bottle.request.environ["wsgi.input"].read()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RequestError(400, f"The body must be JSON: {example}.") from None
    if not isinstance(body, dict):
        raise RequestError(400, f"The body must be a JSON object: {example}.")
    return body
