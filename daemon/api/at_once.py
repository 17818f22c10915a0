"""How many requests may do at a time what takes a thread, memory or time: the others are told to come again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from daemon.errors import RequestError


class AtOnce:
    """So many places.

    Args:
        said: to who finds none, in one sentence. retry_s: seconds after which he may try again.
        patience_s: seconds that he waits for one before that.
    """

    def __init__(self, places: int, said: str, *, retry_s: int, patience_s: float = 0.0) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._said = said
        self._retry_s = retry_s
        self._patience_s = patience_s

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold one. Raises RequestError (503): there is none."""
        if not self._places.acquire(timeout=self._patience_s):
            raise RequestError(503, self._said, headers={"Retry-After": str(self._retry_s)})
        try:
            yield
        finally:
            self._places.release()
