"""A slot: one process with one GPU and one model in it, as an actor of Ray. When it ends, others decide what then."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import ray

from daemon.cluster.depot import Depot
from daemon.cluster.incoming import CacheError, NotWholeError
from daemon.engine.faults import as_fault
from seedvr2.heap import keep_freed_blocks

# Seconds between two answers about how far an attempt is, and until there is one though nothing has moved.
STEP_S, QUIET_S = 0.5, 5.0
# The lines of calls to a slot: what is computed, what is said meanwhile, and files that come and go.
GROUPS = {"work": 1, "talk": 4, "bytes": 1}


class Workbench(Protocol):
    """What does the work, as `Bench` has it."""

    @property
    def model(self) -> str:
        """The model in memory; empty: none."""

    @property
    def depot(self) -> Depot:
        """What is kept here of files that come and go."""

    def facts(self) -> dict[str, Any]:
        """What there is to know of this place."""

    def sees(self, path: str, size: int) -> bool:
        """Whether a file of the service is here, too."""

    def carry_out(
        self,
        order: Mapping[str, Any],
        on_step: Callable[[str, int, int | None, float | None], None],
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        """Do what is asked for; any error is one of the order or of the machine."""


class GpuSlot:
    """The actor. Every answer is JSON: nothing of ours is pickled but this class."""

    def __init__(self, make: Callable[[Mapping[str, Any]], Workbench], setup: Mapping[str, Any]) -> None:
        """`make` makes what does the work, of `setup`."""
        keep_freed_blocks()
        self._bench = make(setup)
        self._changed = threading.Condition()
        self._attempt = ""
        self._cancelled: set[str] = set()
        self._number = 0
        self._step: tuple[str, int, int | None, float | None] = ("", 0, None, None)

    @ray.method(concurrency_group="talk")
    def hello(self) -> dict[str, Any]:
        """What there is to know of this place, and what it does."""
        return {**self._bench.facts(), "unit": self._attempt, "pid": os.getpid()}

    @ray.method(concurrency_group="work")
    def run(self, attempt: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an order: `answer` is what came of it, or `fault` what went wrong; `model` is in memory then."""
        with self._changed:
            self._attempt = attempt
        try:
            if attempt in self._cancelled:
                return {"fault": {"kind": "Cancelled", "message": "It was cancelled before it began."}, "model": ""}
            answer = self._bench.carry_out(order, self._stepped, lambda: attempt in self._cancelled)
            return {"answer": answer, "model": self._bench.model}
        except Exception as error:
            # The boundary of the process: what is nobody's doing is in its log.
            return {"fault": fault_of(error), "model": self._bench.model}
        finally:
            with self._changed:
                self._attempt = ""
                self._cancelled.discard(attempt)
                self._changed.notify_all()

    @ray.method(concurrency_group="talk")
    def told(self, attempt: str, seen: int) -> dict[str, Any] | None:
        """How far an attempt is, as soon as that is news to who has `seen` so much; None if it does not run."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > seen or self._attempt != attempt, QUIET_S)
            if self._attempt != attempt:
                return None
            stage, done, total, share = self._step
            number, model = self._number, self._bench.model
        return {"number": number, "stage": stage, "done": done, "total": total, "share": share, "model": model}

    @ray.method(concurrency_group="talk")
    def cancel(self, attempt: str) -> None:
        """Stop an attempt at the next step of the engine."""
        self._cancelled.add(attempt)

    @ray.method(concurrency_group="talk")
    def sees(self, path: str, size: int) -> bool:
        """Whether a file of the service, of so many bytes, is here, too."""
        return self._bench.sees(path, size)

    # Of these `why` in an answer is what is wrong with this machine.

    @ray.method(concurrency_group="bytes")
    def expect(self, attempt: str, source: Mapping[str, Any]) -> dict[str, Any]:
        """Whether a source is `here`; None while another process gets it. As `Depot.expect`."""
        try:
            return {"here": self._bench.depot.expect(attempt, source)}
        except CacheError as error:
            return {"why": str(error)}

    @ray.method(concurrency_group="bytes")
    def add(self, attempt: str, offset: int, chunk: bytes) -> dict[str, Any]:
        """Take some bytes of a source; `spoilt`: it is not the one that was announced."""
        try:
            self._bench.depot.add(attempt, offset, chunk)
        except NotWholeError:
            return {"spoilt": True}
        except CacheError as error:
            return {"why": str(error)}
        return {"spoilt": False}

    @ray.method(concurrency_group="bytes")
    def read(self, attempt: str, offset: int) -> dict[str, Any]:
        """Some `bytes` of what was made."""
        try:
            return {"bytes": self._bench.depot.read(attempt, offset)}
        except OSError as error:
            return {"why": f"what it has made cannot be read again ({error.strerror}); check its disk"}

    @ray.method(concurrency_group="bytes")
    def forget(self, attempt: str) -> None:
        """Remove what there is of an attempt."""
        self._bench.depot.forget(attempt)

    def _stepped(self, stage: str, done: int, total: int | None, share: float | None) -> None:
        step = (stage, done, total, share)
        if step != self._step:
            with self._changed:
                self._step = step
                self._number += 1
                self._changed.notify_all()


def fault_of(error: Exception) -> dict[str, Any]:
    """An error as the fields of `Failed`."""
    fault = asdict(as_fault(0, error))
    del fault["id"]
    return fault


def rested(since: float) -> float:
    """Seconds to wait before the next question about an attempt, the last of which was asked at `since`."""
    return max(STEP_S - (time.monotonic() - since), 0.0)
