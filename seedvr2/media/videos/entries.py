"""Where reading of a video may begin: key frames with their numbers and times, noted while all frames pass once.

A frame has the same number and the same content whether it was reached from the beginning or from such a place, or the
place is not taken: only files that give every frame a time of its own are entered, and what comes first is compared.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import av

from seedvr2.media.entry import Entry
from seedvr2.media.videos.side_data import side_data

# Of containers that say for each frame where it is, and when it is shown.
CONTAINERS = frozenset({"mov", "matroska"})
# Frames between two places.
_APART = 250


def entry_at(number: int, frame: av.VideoFrame) -> Entry:
    """The entry at a frame, which has a time."""
    assert frame.pts is not None
    return Entry(number, frame.pts, zlib.crc32(bytes(frame.planes[0])))


class EntryFinder:
    """Sees all frames of a video in their order, from the first to the last.

    Attributes:
        entries: the places so far; none where frames are not all of one kind with rising times.
    """

    def __init__(self, longest: int) -> None:
        """`longest`: ticks from one frame to the next, beyond which a time is not taken as it is."""
        self.entries: list[Entry] = []
        self._longest = longest
        self._number = 0
        self._last: int | None = None
        self._form: tuple[object, ...] = ()
        self._even = True

    def see(self, frame: av.VideoFrame) -> None:
        """The next frame."""
        number, self._number = self._number, self._number + 1
        if not self._even:
            return
        # What is carried over from one frame to the next must be the same for all.
        turned = side_data(frame).get("DISPLAYMATRIX")
        form = (frame.width, frame.height, frame.format.name, turned)
        follows = frame.pts is not None and (self._last is None or 0 < frame.pts - self._last < self._longest)
        if frame.interlaced_frame or not follows or form != (self._form or form):
            self._even, self.entries = False, []
            return
        self._form, self._last = form, frame.pts
        if frame.key_frame and (not self.entries or number - self.entries[-1].number >= _APART):
            self.entries.append(entry_at(number, frame))


def way_in(entries: Sequence[Entry], first: int) -> tuple[Entry, Entry] | None:
    """Where to begin to come to frame `first`, and the place on the way by which that is proved; None if too near."""
    before = [entry for entry in entries if entry.number <= first]
    return (before[-2], before[-1]) if len(before) > 1 and before[-2].number else None
