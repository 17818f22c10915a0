"""Reads a file that is sent a little ahead of the client, in a thread that may wait for the disk.

Waitress would read it in the one thread of all sockets, where a slow share would hold up everybody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

from waitress.buffers import ReadOnlyFileBasedBuffer

from daemon.api.disk_threads import DiskThreads

PIECE = 256 * 1024
PIECES = 2


class FileAhead(ReadOnlyFileBasedBuffer):  # type: ignore[misc] # waitress has no types
    """Takes the place of waitress's buffer for files; `get` never waits and answers nothing while nothing is there.

    Args:
        wake: called by a reader when there is something to send.
    """

    remain: int

    def __init__(self, file: BinaryIO, readers: DiskThreads, wake: Callable[[], None]) -> None:
        super().__init__(file)
        self._readers = readers
        self._wake = wake
        self._lock = threading.Lock()
        self._pieces: deque[memoryview] = deque()
        self._unread = 0
        self._busy = False
        self._closed = False
        self._error: OSError | None = None

    @property
    def ready(self) -> bool:
        """Whether `get` has an answer."""
        return bool(self._pieces) or self._error is not None or not self.remain

    def prepare(self, size: int | None = None) -> int:
        """Begin to read; answers how many bytes will be sent."""
        self._unread = int(super().prepare(size))
        with self._lock:
            self._read_on()
        return self.remain

    def get(self, numbytes: int = -1, skip: bool = False) -> bytes:
        """The next bytes, as far as they have been read. Raises OSError if no more can be."""
        with self._lock:
            if self._pieces:
                first = self._pieces[0]
                data = bytes(first if numbytes < 0 else first[:numbytes])
            elif self._error is not None:
                raise self._error
            else:
                return b""
        if skip:
            self.skip(len(data))
        return data

    def skip(self, numbytes: int, _allow_prune: bool = False) -> None:
        """So many bytes have been sent."""
        with self._lock:
            self.remain -= numbytes
            self._pieces[0] = self._pieces[0][numbytes:]
            if not self._pieces[0]:
                self._pieces.popleft()
            self._read_on()

    def close(self) -> None:
        """Let go of the file, as soon as nobody reads it any more."""
        with self._lock:
            self._closed = True
            if self._busy:
                return
        self.file.close()

    def _read_on(self) -> None:
        if self._unread and not (self._busy or self._closed or self._error) and len(self._pieces) < PIECES:
            self._busy = True
            self._readers.submit(self._read)

    def _read(self) -> None:
        """Read a piece, in the thread of a reader."""
        data: bytes = b""
        error: OSError | None = None
        try:
            data = self.file.read(min(PIECE, self._unread))
            if not data:
                error = OSError("the file has become shorter while it was sent")
        except (OSError, MemoryError) as raised:
            error = OSError(str(raised))
        with self._lock:
            self._busy = False
            self._error = error
            self._unread -= len(data)
            if data:
                self._pieces.append(memoryview(data))
            if self._closed:
                self.file.close()
            self._read_on()
        self._wake()
