"""Messages as lines of JSON, and back: what is not listed in `messages.py`, with just its fields, is none."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import asdict
from typing import Any

from daemon.engine.messages import DeviceReport, FromChild, Message, ToChild

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in typing.get_args(ToChild) + typing.get_args(FromChild)}
_HINTS = {name: typing.get_type_hints(kind) for name, kind in _KINDS.items()} | {
    "DeviceReport": typing.get_type_hints(DeviceReport)
}


class ProtocolError(Exception):
    """The other side said something that is no message."""


def encode(message: Message) -> bytes:
    """The message as a line. Names of files that are no text survive, as escapes."""
    return json.dumps({"is": type(message).__name__, **asdict(message)}).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        ProtocolError: it is none that is listed, or does not have just the fields of it.
    """
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("is")]
        message: Message = _made(kind, values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"no message: {line[:80]!r}") from error
    return message


def _made(kind: type[Any], values: dict[str, Any]) -> Any:
    hints = _HINTS[kind.__name__]
    return kind(**{name: _checked(value, hints[name]) for name, value in values.items()})


def _checked(value: Any, hint: Any) -> Any:
    if hint is DeviceReport:
        return _made(DeviceReport, value)
    wanted = typing.get_args(hint) if isinstance(hint, types.UnionType) else (typing.get_origin(hint) or hint,)
    # In JSON 1.0 may be written as 1, and true is no number.
    if float in wanted and type(value) is int:
        return float(value)
    if type(value) not in wanted:
        raise TypeError(f"{value!r} is no {hint}")
    return value
