"""What a picture and a video have in common when they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from seedvr2.media.entry import Entry
from seedvr2.media.info import Frame, MediaInfo
from seedvr2.media.thumbnail import Thumbnail, thumbnail


class Source(ABC):
    """A readable picture or video. Made by `open_source`; use it in a `with` block.

    Attributes:
        path: the file.
        info: what is known of it before decoding.
        damaged: whether it is known to be. Set it where an earlier look found that, for the same frames as then.
        entries: places at which reading may begin, likewise.
    """

    path: Path
    info: MediaInfo
    damaged: bool = False
    entries: tuple[Entry, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what could not be read as it should be; complete once `frames` has ended."""
        return (*self.info.warnings, *self._found)

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """The frames from the first to the last, decoded one at a time; each call starts anew.

        Raises:
            MediaError: nothing more can be decoded, and nothing could be so far.
        """

    def thumbnails(self, width: int, height: int, first: int = 0) -> Iterator[Thumbnail]:
        """The frames of `frames` from number `first` on, small and quickly: (height, width, 3) uint8.

        They may differ from the frames in the finer points of colour, and are not turned. Errors as for `frames`.
        """
        return (thumbnail(frame.image, width, height) for frame in islice(self.frames(), first, None))

    def prove(self) -> None:
        """Decode as much as shows that the file can be read. Errors as for `frames`."""
        next(iter(self.frames()), None)

    def close(self) -> None:  # noqa: B027 - most sources hold nothing between calls
        """Give files and memory back; iterators of `frames` end on their own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
