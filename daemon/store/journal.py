"""The lines of a journal: what changed in one write, with a checksum that tells a torn line from a whole one."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

Tables = dict[str, dict[str, Any]]


# What a write leaves that a crash or a power cut tore: the beginning of a line, and blocks that were never filled.
_TORN = re.compile(rb"[0-9a-f]{0,8}( (\{[\x20-\x7e]*)?)?\0*")


class DamagedJournalError(Exception):
    """A journal holds what no torn write leaves: a bad line before a good one, or something that is no line at all."""


def encode(value: Any) -> bytes:
    """JSON as bytes, without spaces."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def encode_line(patch: Tables) -> bytes:
    """`crc32 {table: {id: document or null}}` and a line feed."""
    body = encode(patch)
    return b"%08x " % zlib.crc32(body) + body + b"\n"


def replay(path: Path, tables: Tables) -> int:
    """Apply a journal to `tables`; answers where its last whole line ends, in bytes.

    Raises:
        DamagedJournalError: it is damaged in the middle; the message names the line.
        OSError: it cannot be read.
    """
    damaged = position = end = 0
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        patch = _decode_line(line)
        position += len(line) + 1
        if patch is not None and not damaged:
            apply(tables, patch)
            end = position
        elif damaged or not (line == b"" or _TORN.fullmatch(line)):
            # A torn last line was never acknowledged; anything else is damage.
            raise DamagedJournalError(f"{path} is damaged at line {damaged or number}")
        elif line:
            damaged = number
    return end


def apply(tables: Tables, patch: Tables) -> None:
    """Carry out one line; null removes a document."""
    for name, changes in patch.items():
        table = tables.setdefault(name, {})
        for key, document in changes.items():
            if document is None:
                table.pop(key, None)
            else:
                table[key] = document


def difference(old: Tables, new: Tables) -> Tables:
    """The patch that leads from `old` to `new`; documents are compared by identity, which makes it cheap."""
    patch: Tables = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name, {}), new.get(name, {})
        if before is after:
            continue
        changes: dict[str, Any] = {key: document for key, document in after.items() if before.get(key) is not document}
        changes |= {key: None for key in before if key not in after}
        if changes:
            patch[name] = changes
    return patch


def _decode_line(line: bytes) -> Tables | None:
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        patch: Tables = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return patch
