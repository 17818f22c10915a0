"""Reading, restoring and writing at the same time: one thread is ahead of the work, another one behind it.

What waits in between is bounded, and stays in order. Whatever goes wrong in a thread is raised, as it is, in the one
that works, and when its `with` block is left, in whichever way, the thread has ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")

# Bytes that may wait on either side: a few frames of 4K, and a batch of 1080p.
_WAITING = 96 * 2**20
# Seconds between two looks at whether what is waited for has failed.
_LOOK_S = 0.05


def depth(frame_bytes: int, batch: int) -> int:
    """How many frames may wait: those that one batch takes or gives, as far as they are not too large."""
    return max(1, min(batch, _WAITING // max(frame_bytes, 1)))


class ReadAhead(Generic[Item]):
    """The items of an iterator, made in a thread of their own while those before them are worked on.

    The iterator is used, and closed, by that thread alone.

    Example:
        >>> with ReadAhead(source.frames(), depth=2) as frames:
        ...     for frame in frames:
        ...         work(frame)
    """

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        """At most `depth` items wait, and one more is being made."""
        self._items = items
        self._line: _Line[Item] = _Line(depth)
        self._worker = _Worker("read-ahead", self._read)

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.abandon()
        self._worker.wait()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """The next item. Raises what the iterator raised in its place."""
        try:
            return self._line.take()
        except _Ended:
            raise StopIteration from None

    def _read(self) -> None:
        try:
            # The item has no name here, or it would be alive for as long as the next one takes.
            while self._line.put(next(self._items)):
                pass
        except StopIteration:
            self._line.end()
        except BaseException as error:
            self._line.end(error)
        finally:
            if (close := getattr(self._items, "close", None)) is not None:
                close()


class WriteBehind:
    """Carries out calls in order, in a thread of its own, while the caller goes on.

    The end of the `with` block waits for them. If it ends by an error, those that have not begun are dropped.
    """

    def __init__(self, depth: int) -> None:
        """At most `depth` calls wait, and one more is being carried out."""
        self._line: _Line[Callable[[], None]] = _Line(depth)
        self._worker = _Worker("write-behind", self._write)
        self._error: BaseException | None = None

    def put(self, call: Callable[[], None]) -> None:
        """Have `call` carried out after those before it; waits while there are too many of them.

        Raises what an earlier one raised; nothing is carried out after that.
        """
        self._line.put(call)
        self.check()

    def flush(self) -> None:
        """Wait until all that was put is carried out. Raises what a call raised."""
        done = threading.Event()
        self.put(done.set)
        while not done.wait(_LOOK_S):
            self.check()

    def check(self) -> None:
        """Raise what a call raised, if one did."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._line.end()
                self._worker.wait()
        finally:
            # Also where the wait was interrupted.
            self._line.abandon()
            self._worker.wait()
        if kind is None:
            self.check()

    def _write(self) -> None:
        try:
            while True:
                # Without a name: what it holds is free when it has been carried out.
                self._line.take()()
        except _Ended:
            pass
        except BaseException as error:
            self._error = error
            self._line.abandon()


class _Worker:
    """A thread whose end is waited for."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._work = work
        self._done = threading.Event()
        # One that reads from a disk that does not answer is not to keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        # `join` alone, if it is interrupted, takes the thread for ended from then on (bpo-45274).
        self._done.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._done.set()


class _Ended(Exception):  # noqa: N818 - not a fault
    """There are no more items, and will be none."""


class _Line(Generic[Item]):
    """A bounded queue between two threads, either of which may stop."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._abandoned = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Add an item once there is room for it; False, and it is dropped, where nobody takes any more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._depth or self._abandoned)
            if not self._abandoned:
                self._items.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def end(self, error: BaseException | None = None) -> None:
        """No more will be put; `error` is raised behind the last item."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> Item:
        """The next item, as soon as there is one. Raises _Ended, or the error, behind the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._abandoned)
            if self._items:
                self._changed.notify_all()
                return self._items.popleft()
            error, self._error = self._error, None
            raise error if error is not None else _Ended

    def abandon(self) -> None:
        """Nobody puts or takes any more; what waits is dropped."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()
