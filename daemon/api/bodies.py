"""What a request has in its body, where that is no file."""

from __future__ import annotations

import json
from typing import Any

import bottle

from daemon.errors import RequestError


def body() -> bytes:
    """All of it; the gate has limited its length."""
    content: bytes = bottle.request.environ["wsgi.input"].read()
    return content


def json_object(content: bytes) -> dict[str, Any]:
    """The JSON object in a body; that of an empty one is empty. Raises RequestError (400)."""
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise RequestError(400, "The body must be JSON.") from None
    if not isinstance(value, dict):
        raise RequestError(400, "The body must be a JSON object.")
    return value
