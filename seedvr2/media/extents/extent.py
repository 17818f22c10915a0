"""What a file says of its own length, and how its bytes are read for that."""

from __future__ import annotations

import os
from dataclasses import dataclass

# Parts that are looked at in one file; of a file with more, the rest is taken for complete.
MAX_STEPS = 50_000


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a file ends by its own word.

    Attributes:
        end: in bytes from its beginning; 0 where it does not say.
        missing: what of it is not there, as the end of a sentence; empty if nothing, or only what lies before `end`.
    """

    end: int = 0
    missing: str = ""


# A file of a known kind that says nothing else.
SILENT = Extent()


class Bytes:
    """The bytes of an open file; `size` is their number. What lies beyond them is empty."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size

    def at(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset`. Raises OSError."""
        if not 0 <= offset < self.size:
            return b""
        return os.pread(self._descriptor, min(count, self.size - offset), offset)

    def tail(self, count: int) -> bytes:
        """The last bytes."""
        return self.at(max(self.size - count, 0), count)
