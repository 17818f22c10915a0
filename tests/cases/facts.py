"""One thing that a result must still carry, and where an independent reader finds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cases import measure

Reader = Callable[[Path], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something of the source.

    Attributes:
        name: for the message of a test that fails.
        tool: the reader that must be installed; empty where none is needed. Without it nothing is checked.
        read: everything that the reader finds in a result, as text.
        wanted: a regular expression for what must be among it.
        or_said: a regular expression; where it is in a warning, the item may be missing. Empty: it must be there.
    """

    name: str
    tool: str
    read: Reader
    wanted: str
    or_said: str = ""

    def problem(self, result: Path, warnings: Iterable[str]) -> str:
        """What is wrong about it; empty if nothing is, or nothing can be known."""
        if self.or_said and any(re.search(self.or_said, warning, re.IGNORECASE) for warning in warnings):
            return ""
        if self.tool and not measure.has(self.tool):
            return ""
        found = [text for text in self.read(result) if re.search(self.wanted, text)]
        return "" if found else f"{self.name} is neither in the result nor in a warning"


def tagged(name: str, wanted: str, or_said: str = "") -> Fact:
    """A tag that exiftool finds, as `Group:Name=value`."""
    return Fact(name, "exiftool", _exif_lines, wanted, or_said)


def probed(name: str, wanted: str, or_said: str = "") -> Fact:
    """Something that ffprobe finds, as `streams.0.tags.title=value`."""
    return Fact(name, "ffprobe", lambda result: _lines(measure.ffprobe(result)), wanted, or_said)


def first_frame(name: str, wanted: str, or_said: str = "") -> Fact:
    """Something that ffprobe finds in the first frame."""
    return Fact(name, "ffprobe", lambda result: _lines(measure.ffprobe_frame(result)), wanted, or_said)


def inside(name: str, wanted: str, or_said: str = "") -> Fact:
    """Bytes that stand in the file as they are: for what no reader is needed."""
    return Fact(name, "", lambda result: [result.read_bytes().decode("latin-1")], wanted, or_said)


def _exif_lines(result: Path) -> Iterable[str]:
    return [f"{key}={value}" for key, value in measure.exiftool(result).items()]


def _lines(value: Any, path: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _lines(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _lines(each, f"{path}.{index}")
    else:
        yield f"{path}={value}"
