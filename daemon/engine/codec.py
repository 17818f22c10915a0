"""Messages as lines of JSON, and back: what is not listed, with just its fields, is none."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from daemon.engine.messages import DeviceReport, FromChild, ToChild


class ProtocolError(Exception):
    """The other side said something that is no message."""


class Codec:
    """The messages of one protocol, each a frozen dataclass of plain values.

    Args:
        kinds: all that there are. parts: dataclasses that fields of them are.
    """

    def __init__(self, kinds: Iterable[type[Any]], parts: Iterable[type[Any]] = ()) -> None:
        self._kinds: dict[str, type[Any]] = {kind.__name__: kind for kind in kinds}
        self._parts = frozenset(parts)
        self._hints = {kind: typing.get_type_hints(kind) for kind in (*self._kinds.values(), *self._parts)}

    def encode(self, message: Any) -> bytes:
        """The message as a line. Names of files that are no text survive, as escapes.

        Raises:
            TypeError: a field is not of its type. Here that ends a call; sent, it would end the other process.
        """
        line = json.dumps({"is": type(message).__name__, **asdict(message)}).encode("ascii") + b"\n"
        try:
            self.decode(line)
        except ProtocolError as error:
            raise TypeError(f"{message!r} has a field of another type") from error
        return line

    def decode(self, line: bytes) -> Any:
        """The message of a line.

        Raises:
            ProtocolError: it is none that is listed, or does not have just the fields of it.
        """
        try:
            values = json.loads(line)
            return self._made(self._kinds[values.pop("is")], values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ProtocolError(f"no message: {line[:80]!r}") from error

    def _made(self, kind: type[Any], values: dict[str, Any]) -> Any:
        hints = self._hints[kind]
        return kind(**{name: self._checked(value, hints[name]) for name, value in values.items()})

    def _checked(self, value: Any, hint: Any) -> Any:
        if hint in self._parts:
            return self._made(hint, value)
        wanted = typing.get_args(hint) if isinstance(hint, types.UnionType) else (typing.get_origin(hint) or hint,)
        # In JSON 1.0 may be written as 1, and true is no number.
        if float in wanted and type(value) is int:
            return float(value)
        if type(value) not in wanted:
            raise TypeError(f"{value!r} is no {hint}")
        return value


# What the service and the engine's process say to each other.
ENGINE = Codec((*typing.get_args(ToChild), *typing.get_args(FromChild)), (DeviceReport,))
encode, decode = ENGINE.encode, ENGINE.decode
