"""What a request has in its body, where that is no file, and in its query: read, and held against a model."""

from __future__ import annotations

import json
from typing import Any, ClassVar, TypeVar

import bottle
from pydantic import BaseModel, ConfigDict, ValidationError

from daemon.errors import RequestError
from daemon.jobs.parameters import refusal


class Body(BaseModel):
    """A JSON object that is sent. `example` is one, for those who sent something else."""

    model_config = ConfigDict(extra="forbid", strict=True, loc_by_alias=False)
    example: ClassVar[str]


class Query(BaseModel):
    """What follows the `?` of an address. Names that nobody knows are left alone: proxies and caches add some."""

    model_config = ConfigDict(extra="ignore")


B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)


def body() -> bytes:
    """All of it; the gate has limited its length."""
    content: bytes = bottle.request.environ["wsgi.input"].read()
    return content


def json_object(content: bytes, example: str = "") -> dict[str, Any]:
    """The JSON object in a body; that of an empty one is empty. Raises RequestError (400), with the example in it."""
    shown = f": {example}" if example else ""
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise RequestError(400, f"The body must be JSON{shown}.") from None
    if not isinstance(value, dict):
        raise RequestError(400, f"The body must be a JSON object{shown}.")
    return value


def read(model: type[B]) -> B:
    """The body of the request, whatever its Content-Type: `curl -d` says it is a form. Raises RequestError (400)."""
    return checked(model, json_object(body(), model.example))


def checked(model: type[B], sent: dict[str, Any], *, strict: bool = True) -> B:
    """What was sent as the model; without `strict`, texts stand for values too. Raises RequestError (400)."""
    try:
        return model.model_validate(sent, strict=strict)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        if not fault["loc"] or fault["type"] in ("value_error", "extra_forbidden"):
            raise refusal(error, model.model_fields, "field") from None
        name = str(fault["loc"][0])
        is_switch = model.model_fields[name].annotation is bool
        sentence = f'"{name}" is true or false.' if is_switch else f"Say which {name}: {model.example}."
        raise RequestError(400, sentence, detail={"field": name}) from None


def query(model: type[Q]) -> Q:
    """The query of the request; what is empty counts as not there. Raises OptionError."""
    sent = {name: text for name, text in bottle.request.query.items() if text}
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise refusal(error, model.model_fields, "parameter") from None
