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
from typing import Any, TypeVar

# What comes of records that are damaged, or are none at all.
BAD_RECORD = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


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
    """What the source is: display size in pixels, estimated frame count (1 for a picture).

    `incomplete` is why the file cannot be all there, by its own word; empty if it may be. `formats` are the values of
    `output_format` that fit it, the first being what `auto` means; empty in records of earlier versions. `bit_depth` is
    of its samples, and `alpha` whether it is transparent.
    """

    kind: str
    width: int
    height: int
    frames: int
    fps: float | None = None
    duration_s: float | None = None
    incomplete: str = ""
    formats: tuple[str, ...] = ()
    bit_depth: int = 8
    alpha: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came out: where it is, its size, what made it and how long that took.

    `identity` is size and time of modification (ns) of the file as it was put in place; empty before that. `places` are
    the kinds of GPU and the machines that made it; empty: the engine of the service.
    """

    path: str
    width: int
    height: int
    frames: int
    seconds: float
    model: str
    tiled: bool
    options: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    identity: tuple[int, ...] = ()
    places: tuple[str, ...] = ()


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

    @property
    def refused(self) -> bool:
        """Whether it is of a file that the inbox refused, so that nothing is known of what is in it."""
        return not self.sha256


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are seconds since 1970; `number` is the order of arrival.

    `starts` counts the starts that ended abruptly and got no further than one before, `reached` is the furthest frame
    of any; `took_s` is how long the engine had it in all, by a clock that nobody sets, None before the first time;
    `percent` and `segments_done` of `segments_total` are how far a video was when it last gave way; `kept` is
    where a result is that could not be put in its place; `settled` says that the source was dealt with after the end;
    `model` is the file of the model that it was begun with, empty where it was not, or by an earlier version.
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
    reached: int = 0
    took_s: float | None = None
    kept: str = ""
    percent: int = 0
    segments_done: int = 0
    segments_total: int = 0
    model: str = ""

    @property
    def finished(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self.state.finished

    def start(self, now: float, model: str = "") -> Job:
        """A worker has begun with a model; counts the start, so that a job which kills the process is found out."""
        return self._move(State.PROCESSING, started_at=now, starts=self.starts + 1, model=model or self.model)

    def requeue(self, *, orderly: bool, reached: int = 0) -> Job:
        """It was interrupted and waits again.

        Args:
            orderly: by a stop or by trouble of the machine; then the start does not count.
            reached: frames that were done. A start that got further than any before it does not count either.
        """
        further = reached > self.reached
        starts = 0 if further else self.starts - 1 if orderly else self.starts
        return self._move(State.QUEUED, started_at=None, result=None, starts=starts, reached=max(reached, self.reached))

    def complete(self, now: float) -> Job:
        """The result, announced with `with_result` before, is in its place."""
        if self.result is None:
            raise IllegalMoveError(f"job {self.id} cannot be completed: it has no result")
        return self._move(State.COMPLETED, completed_at=self._end(now))

    def fail(self, now: float, error: str) -> Job:
        """It cannot be done; `error` is one sentence that says why and what to do."""
        return self._move(State.FAILED, completed_at=self._end(now), error=error, result=None)

    def cancel(self, now: float, reason: str) -> Job:
        """Somebody did not want it any more."""
        return self._move(State.CANCELLED, completed_at=self._end(now), error=reason, result=None)

    def _end(self, now: float) -> float:
        # A clock that is set back must not end a job before it began.
        return max(now, self.started_at or self.created_at)

    def with_result(self, result: Result) -> Job:
        """The result exists under a hidden name and is about to be moved to `result.path`."""
        if self.state is not State.PROCESSING:
            raise IllegalMoveError(f"job {self.id} is {self.state}; only a running job gets a result")
        return self._changed(result=result)

    def with_kept(self, path: str) -> Job:
        """Its result could not be put in its place and is at `path` instead."""
        return self._changed(kept=path)

    def with_time(self, seconds: float) -> Job:
        """The engine had it for so long, by a clock that nobody sets."""
        return self._changed(took_s=(self.took_s or 0.0) + seconds)

    def with_progress(self, progress: Progress | None) -> Job:
        """It goes on from here later, if it is a video: of a picture nothing is kept."""
        if progress is None or not progress.segments_total:
            return self
        done, total = progress.segments_done, progress.segments_total
        return self._changed(percent=progress.percent, segments_done=done, segments_total=total)

    def with_source(self, source: str, folder: str | None = None) -> Job:
        """The source was renamed or moved; the result goes into `folder`, if that is given."""
        draft = copy.copy(self.draft)
        object.__setattr__(draft, "source", source)
        if folder is not None:
            object.__setattr__(draft, "folder", folder)
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
            BAD_RECORD: the record is not one of a job.
        """
        values = _known(cls, record)
        draft = _known(Draft, values["draft"])
        media = _known(Media, draft["media"])
        draft["media"] = _checked(Media(**{**media, "formats": tuple(str(name) for name in media.get("formats", ()))}))
        draft["options"] = _options_of_now(draft["options"])
        draft["fingerprint"] = tuple(int(each) for each in draft.get("fingerprint", ()))
        values["draft"] = _checked(Draft(**draft))
        values["state"] = State(values["state"])
        if values.get("result") is not None:
            result = _known(Result, values["result"])
            result |= {name: tuple(result.get(name, ())) for name in ("warnings", "identity", "places")}
            values["result"] = _checked(Result(**result))
        job = _checked(cls(**values))
        # The store files it under this number.
        int(job.id, 16)
        return job

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


Checked = TypeVar("Checked", Media, Draft, Result, Job)
_BASIC: dict[str, tuple[type[Any], ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "float | None": (int, float, type(None)),
    "Mapping[str, Any]": (Mapping,),
}  # fmt: skip


def _checked(value: Checked) -> Checked:
    """`value` itself, if its plain fields are what they are declared to be: a damaged record shows here, not later."""
    for item in fields(value):
        expected = _BASIC.get(str(item.type))
        if expected and not isinstance(getattr(value, item.name), expected):
            raise TypeError(f"{item.name} is {getattr(value, item.name)!r:.80}")
    return value


def _options_of_now(options: Any) -> Any:
    """The options of a record; those of versions without profiles named a codec for mp4 and mkv alone, h264 unasked."""
    if not isinstance(options, Mapping) or "profile" in options or "video_codec" not in options:
        return options
    unasked = options["video_codec"] == "h264" or options.get("output_format") in ("webm", "mov")
    return {**options, "video_codec": "auto"} if unasked else options


def _known(declared: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(declared)}
    return {name: value for name, value in record.items() if name in names}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the running job is. Lives in memory only; `percent` never goes back.

    `segments_done` of `segments_total` are finished of a video, and in `border_s` seconds the next one will be.
    """

    job_id: str
    percent: int = 0
    stage: str = "loading"
    frames_done: int = 0
    frames_total: int | None = None
    eta_s: float | None = None
    segments_done: int = 0
    segments_total: int = 0
    border_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job) -> Progress:
        """That of a job which begins, or goes on."""
        return cls(job.id, job.percent, segments_done=job.segments_done, segments_total=job.segments_total)
