"""Threads that wait for disks, so that no other has to."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

THREADS = 8


class DiskThreads:
    """A few threads that do what they are given, in turn. They end with the process, even while a disk holds them."""

    def __init__(self, name: str, count: int = THREADS) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._main, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        self._lock = threading.Lock()
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes that wait to be written, of everybody together."""
        return self._held

    def hold(self, size: int) -> None:
        """So many bytes more wait, or fewer."""
        with self._lock:
            self._held += size

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> None:
        """Let what has been given be done, but do not wait longer than `timeout`."""
        deadline = time.monotonic() + timeout
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))

    def submit(self, task: Callable[[], None]) -> None:
        """Have something done. It must not raise."""
        self._tasks.put(task)

    def _main(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
