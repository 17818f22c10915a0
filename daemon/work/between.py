"""What the worker does with the engine between jobs: models come and go, and calls are made that cannot wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from daemon.engine.executor import Executor
from daemon.errors import RequestError
from daemon.work.errands import Errands

log = logging.getLogger(__name__)
T = TypeVar("T")


class Between:
    """Asked by any thread; what it does, it does in the worker's.

    Args:
        idle_timeout_s: seconds without work until the model is unloaded; 0 never.
    """

    def __init__(self, executor: Executor, idle_timeout_s: float) -> None:
        self._executor = executor
        self._idle_timeout_s = idle_timeout_s
        self._errands = Errands()
        self._unload_wanted = False
        self._used_at = time.monotonic()
        self.busy = False
        self.loading_model: str | None = None

    def __bool__(self) -> bool:
        """Whether there is something to do."""
        return self._unload_wanted or bool(self._errands)

    # -- for any thread -----------------------------------------------------------------------------------

    @property
    def idle_s(self) -> float | None:
        """Seconds since the loaded model was last used; None while that is here, or where none is loaded."""
        if self.busy or self._executor.model is None:
            return None
        return time.monotonic() - self._used_at

    @property
    def urgent_s(self) -> float | None:
        """Seconds that an urgent call has waited; None if there is none."""
        return self._errands.urgent_s

    def load(self, model: str) -> Future[str]:
        """Load a model; the future holds its file name."""
        return self._errands.put(lambda _executor: self._load(model), urgent=False)

    def call(self, call: Callable[[Executor], T]) -> Future[T]:
        """Make an urgent call; the future holds what it returns."""
        return self._errands.put(call, urgent=True)

    def unload(self) -> None:
        """Unload the model, before anything else."""
        self._unload_wanted = True

    # -- in the worker's thread ---------------------------------------------------------------------------

    def give_back(self) -> None:
        """End the engine's process, for what it still holds, whether of a model or of jobs that it did."""
        self._unload("for its memory")

    def do_next(self) -> bool:
        """Do one thing; False if there is nothing to do."""
        if self._unload_wanted:
            self._unload_wanted = False
            self._unload("on request")
            return True
        if not self._errands:
            return False
        self.busy = True
        try:
            return self._errands.run_next(self._executor)
        finally:
            self.busy = False
            self.used()

    def used(self) -> None:
        """The model has been of use until now."""
        self._used_at = time.monotonic()

    def unload_when_idle(self) -> None:
        """Unload a model that nobody has needed for long."""
        idle = self.idle_s
        if self._idle_timeout_s and idle is not None and idle >= self._idle_timeout_s:
            self._unload(f"after {idle:.0f} s without a job")

    def close(self) -> None:
        """Refuse everything from now on."""
        self._errands.close(stopped())

    def _load(self, model: str) -> str:
        self.loading_model = model
        try:
            self._executor.load(model)
            log.info("model %s loaded", self._executor.model)
            return self._executor.model or model
        finally:
            self.loading_model = None

    def _unload(self, why: str) -> None:
        model = self._executor.model
        self._executor.unload()
        if model is not None:
            log.info("model %s unloaded %s", model, why)


def stopped() -> RequestError:
    """What is said to who asks when the worker's thread has ended."""
    return RequestError(503, "The worker has stopped, so nothing can be computed and no model be loaded.")
