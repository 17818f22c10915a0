"""One row of the API: what answers where. The application and its description are made from these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Route:
    """`handler` gets the `<names>` of `path` as arguments and answers a dict, or a bottle response."""

    method: str
    path: str
    handler: Callable[..., Any]
    summary: str
