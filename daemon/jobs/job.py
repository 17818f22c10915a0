"""A job and its life: one record, one state machine.

    queued ──start──► processing ──complete──► completed
      │  ▲               │ │ └─────fail──────► failed
      │  └────requeue────┘ └─────cancel──────► cancelled
      └──cancel / fail──► cancelled / failed

A job is frozen; its state changes only through the methods below, each of which refuses an illegal move.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


class State(enum.StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing can follow."""
        return not MOVES[self]


MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.PROCESSING, State.CANCELLED, State.FAILED}),
    State.PROCESSING: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.QUEUED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


class IllegalMoveError(RuntimeError):
    """A job was asked to change into a state that cannot follow its present one: a bug in the caller."""


@dataclass(frozen=True, slots=True)
class Media:
    """What the source is: display size in pixels, estimated frame count (1 for a picture)."""

    kind: str
    width: int
    height: int
    frames: int
    fps: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came out: where it is, its size, what made it and how long that took."""

    path: str
    width: int
    height: int
    frames: int
    seconds: float
    model: str
    tiled: bool
    options: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A job before it is stored: everything that is needed to run it, and to run it again."""

    origin: str
    source: str
    original_filename: str
    sha256: str
    bytes: int
    media: Media
    options: Mapping[str, Any]
    work: float
    engine_version: str
    model: str = ""
    priority: str = "normal"
    folder: str = ""
    fingerprint: tuple[int, ...] = ()
    duplicate_of: str = ""
    retry_of: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are seconds since 1970; `number` is the order of arrival.

    `work` is the size of the result in megapixel-frames; `starts` counts starts that did not end orderly;
    `settled` says that the source was dealt with after the end.
    """

    id: str
    number: int
    created_at: float
    draft: Draft
    state: State = State.QUEUED
    starts: int = 0
    started_at: float | None = None
    completed_at: float | None = None
    result: Result | None = None
    error: str = ""
    settled: bool = False

    @property
    def finished(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self.state.finished

    def start(self, now: float) -> Job:
        """A worker has begun; counts the start, so that a job which kills the process is found out."""
        return self._move(State.PROCESSING, started_at=now, starts=self.starts + 1)

    def requeue(self, *, orderly: bool) -> Job:
        """It was interrupted and waits again. An orderly stop does not count as a start."""
        starts = self.starts - 1 if orderly else self.starts
        return self._move(State.QUEUED, started_at=None, result=None, starts=starts)

    def complete(self, now: float) -> Job:
        """The result, announced with `with_result` before, is in its place."""
        if self.result is None:
            raise IllegalMoveError(f"job {self.id} cannot be completed: it has no result")
        return self._move(State.COMPLETED, completed_at=now)

    def fail(self, now: float, error: str) -> Job:
        """It cannot be done; `error` is one sentence that says why and what to do."""
        return self._move(State.FAILED, completed_at=now, error=error, result=None)

    def cancel(self, now: float, reason: str) -> Job:
        """Somebody did not want it any more."""
        return self._move(State.CANCELLED, completed_at=now, error=reason, result=None)

    def with_result(self, result: Result) -> Job:
        """The result exists under a hidden name and is about to be moved to `result.path`."""
        if self.state is not State.PROCESSING:
            raise IllegalMoveError(f"job {self.id} is {self.state}; only a running job gets a result")
        return self._changed(result=result)

    def with_source(self, source: str) -> Job:
        """The source was renamed or moved."""
        draft = copy.copy(self.draft)
        object.__setattr__(draft, "source", source)
        return self._changed(draft=draft)

    def as_settled(self) -> Job:
        """The source has been dealt with after the end."""
        if not self.finished:
            raise IllegalMoveError(f"job {self.id} is {self.state}; it has not ended yet")
        return self._changed(settled=True)

    def record(self) -> dict[str, Any]:
        """The job as JSON values, for the store."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Job:
        """The job that `record` was made from; keys that this version does not know are left out.

        Raises:
            TypeError, KeyError, ValueError: the record is not one of a job.
        """
        values = _known(cls, record)
        draft = _known(Draft, values["draft"])
        draft["media"] = Media(**_known(Media, draft["media"]))
        draft["fingerprint"] = tuple(draft.get("fingerprint", ()))
        values["draft"] = Draft(**draft)
        values["state"] = State(values["state"])
        if values.get("result") is not None:
            result = _known(Result, values["result"])
            result["warnings"] = tuple(result.get("warnings", ()))
            values["result"] = Result(**result)
        return cls(**values)

    def _move(self, to: State, **changes: Any) -> Job:
        if to not in MOVES[self.state]:
            raise IllegalMoveError(f"job {self.id} is {self.state} and cannot become {to}")
        return self._changed(state=to, **changes)

    def _changed(self, **changes: Any) -> Job:
        # Not dataclasses.replace: that is open to everybody, and `state` must only change through _move.
        changed = copy.copy(self)
        for name, value in changes.items():
            object.__setattr__(changed, name, value)
        return changed


def _known(declared: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(declared)}
    return {name: value for name, value in record.items() if name in names}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the running job is. Lives in memory only; `percent` never goes back."""

    job_id: str
    percent: int = 0
    stage: str = "loading"
    frames_done: int = 0
    frames_total: int | None = None
    eta_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
