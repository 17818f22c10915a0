"""What a picture and a video have in common when they are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from seedvr2.media.info import Frame, Pixels


class Sink(ABC):
    """Takes frames and makes a file of them. Made by `open_sink`; use it in a `with` block.

    The file appears when the block ends; if it ends by an exception, nothing is left behind.

    Attributes:
        bit_depth: of the images that `write` wants: 8 for uint8, 16 for uint16.
    """

    bit_depth: int = 8

    def __init__(self) -> None:
        self._warnings: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what of the source could not be kept."""
        return tuple(self._warnings)

    def tell(self, *warnings: str) -> None:
        """Add sentences on what of the source is not kept."""
        self._warnings += warnings

    @abstractmethod
    def write(self, image: Pixels, frame: Frame) -> None:
        """Add an image, (height, width, 3 or 4), at the time of the source's `frame`.

        Raises:
            MediaError: it cannot be written, for one because the disk is full.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the file and publish it under its name.

        Raises:
            MediaError: it cannot be finished. Nothing is left behind then.
        """

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing behind. May follow anything, also `close`, after which it does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
