"""Every answer that a test gets from a real server is what its model says."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel

from daemon.api.answers.service import Error
from daemon.api.described import OPERATIONS


def model_of(method: str, path: str, status: int) -> type[BaseModel] | None:
    """The model of an answer; None where it is no JSON of the API's."""
    for (its_method, template), operation in OPERATIONS.items():
        if method == its_method and re.fullmatch(re.sub(r"<\w+>", "[^/]+", template), path):
            return operation.answer if status < 400 or (path == "/health" and status == 503) else Error
    return Error if status >= 400 else None


def check_answer(answer: requests.Response, *_arguments: object, **_named: object) -> None:
    """Fail where an answer in JSON has a key or a value that its model does not know, or lacks one."""
    if not answer.headers.get("Content-Type", "").startswith("application/json") or answer.request.method == "HEAD":
        return
    assert "pydantic" not in answer.text, "the library's own words reach a client"
    assert answer.request.method and answer.request.url
    model = model_of(answer.request.method, urlsplit(answer.request.url).path, answer.status_code)
    if model is not None:
        model.model_validate_json(answer.content, strict=True, extra="forbid")
