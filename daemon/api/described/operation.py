"""What the API document says about a route. The route brings its own summary."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel

from daemon.api.bodies import Query
from daemon.api.shapes import BINARY, Schema


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: what a method of a generated client is called.
        answer: what is answered.
        media: what is sent instead of JSON, by content type.
        query: what may follow the address.
        form, body: the names of the models that are sent, as a form or as JSON.
        in_parts: whether a part of the file can be asked for, and whether it has changed.
        passing: the errors that pass by themselves, so that they say when to try again.
        kept: whether it is the same file the next time, which the client may have then.
    """

    tag: str
    name: str
    answer: type[BaseModel] | None = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    query: type[Query] | None = None
    media: Mapping[str, Schema] = field(default_factory=dict)
    form: str = ""
    body: str = ""
    in_parts: bool = False
    kept: bool = True
    passing: Collection[int] = (503,)
    about: str = ""


# By method and path.
Table: TypeAlias = dict[tuple[str, str], Operation]


def files(*kinds: str) -> dict[str, Schema]:
    """Files of these content types, as `media` of an operation."""
    # The last for generators of clients that take no other for bytes.
    return dict.fromkeys((*kinds, "application/octet-stream"), BINARY)
