"""Calls to the engine that are made between jobs: a model is loaded, somebody wants to see something at once."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from daemon.engine.executor import Executor

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Errand:
    call: Callable[[Executor], Any]
    future: Future[Any]
    asked_at: float = field(default_factory=time.monotonic)


class Errands:
    """The calls that wait, those that are urgent first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._urgent: deque[_Errand] = deque()
        self._patient: deque[_Errand] = deque()
        self._closed: Exception | None = None

    def __bool__(self) -> bool:
        return bool(self._urgent or self._patient)

    @property
    def urgent_s(self) -> float | None:
        """Seconds that the oldest urgent call has waited; None if there is none that is still wanted."""
        with self._lock:
            waiting = next((each for each in self._urgent if not each.future.cancelled()), None)
        return time.monotonic() - waiting.asked_at if waiting else None

    def put(self, call: Callable[[Executor], T], *, urgent: bool) -> Future[T]:
        """Have `call` made; the future holds what it returns or raises. Cancelling it takes the call back."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed is None:
                (self._urgent if urgent else self._patient).append(_Errand(call, future))
                return future
        future.set_exception(self._closed)
        return future

    def run_next(self, executor: Executor) -> bool:
        """Make the next call; False if there is none."""
        with self._lock:
            line = self._urgent or self._patient
            errand = line.popleft() if line else None
        if errand is None:
            return False
        if errand.future.set_running_or_notify_cancel():
            try:
                errand.future.set_result(errand.call(executor))
            except Exception as error:
                # The boundary to the one who asked: the future carries it over.
                log.warning("a call between two jobs failed", exc_info=True)
                errand.future.set_exception(error)
        return True

    def close(self, error: Exception) -> None:
        """Refuse those that wait, and all that come, with `error`."""
        with self._lock:
            self._closed = error
            waiting = [*self._urgent, *self._patient]
            self._urgent.clear()
            self._patient.clear()
        for errand in waiting:
            if errand.future.set_running_or_notify_cancel():
                errand.future.set_exception(error)
