"""One job on the cluster, from its source to its result, in a thread of its own.

It is planned at a place; its units are made at many; here their files are looked at, named and noted, and joined at the
end. What the disk refuses is raised here, so that it counts as the machine's fault and not as a place's.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from daemon.cluster.dispatcher import VAE, Turn
from daemon.cluster.foreman import Foreman
from daemon.cluster.job_events import Ended, Event, Made, Step, TooLarge
from daemon.cluster.job_folder import JobFolder, NotWholeError
from daemon.cluster.messages import SENDING, Place
from daemon.engine.executor import OnProgress, Outcome
from seedvr2.errors import Cancelled, MachineError, Yielded
from seedvr2.nano import DIT_FILE
from seedvr2.progress import Segments

POLL_S = 0.1
# A place that has not stopped by then is ended.
STOP_S = 30.0


class Join(Protocol):
    """Makes one video of segments, as `ChildExecutor.join`."""

    def __call__(
        self, source: Path, target: Path, keep: Path, *, on_progress: OnProgress, cancelled: Callable[[], bool]
    ) -> Outcome:
        """Raises as `Executor.run`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked for, as of `Executor.run`."""

    source: Path
    target: Path
    options: Mapping[str, Any]
    model: str
    keep: Path
    on_progress: OnProgress
    cancelled: Callable[[], bool]
    give_way: Callable[[], bool]
    stall_s: float = 3600.0


class JobRun:
    """Used by one thread."""

    def __init__(self, foreman: Foreman, turn: Turn, asked: Asked, join: Join) -> None:
        """Raises OSError: what there is of the job cannot be read."""
        self._foreman = foreman
        self._asked = asked
        self._join = join
        self._folder = JobFolder(asked.keep)
        self._kept = self._folder.kept()
        self._turn = replace(turn, hashes=_hashes(self._kept["plan"] if self._kept else {}))
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._plan: dict[str, Any] | None = None
        self._missing: set[int] = set()
        self._steps: dict[int, Step] = {}

    def run(self) -> Outcome:
        """Make the result. Raises as `Executor.run`."""
        job = self._turn.job
        self._foreman.enter(self._turn, self._order, self._events)
        try:
            outcome = self._follow()
        except BaseException:
            self._foreman.leave(job)
            self._let_stop()
            raise
        self._foreman.leave(job)
        return outcome

    def _follow(self) -> Outcome:
        while True:
            self._heed()
            try:
                event = self._events.get(timeout=POLL_S)
            except queue.Empty:
                continue
            match event:
                case Step():
                    self._steps[event.index] = event
                    self._report()
                case Ended(error=error):
                    raise error
                case TooLarge() if self._plan is not None:
                    self._begin_smaller()
                case Made() if self._plan is None:
                    outcome = self._begun(event)
                    if outcome is not None:
                        return outcome
                case Made():
                    self._made(event)
                case _:
                    continue
            if self._plan is not None and not self._missing:
                return self._joined()

    def _heed(self) -> None:
        """Stop, or give way, if that is wanted."""
        asked, job = self._asked, self._turn.job
        self._foreman.end_stalled(job, asked.stall_s)
        if asked.cancelled():
            raise Cancelled(f"{asked.source.name} was stopped.")
        if asked.give_way() and self._foreman.hold(job) and self._events.empty():
            raise Yielded(f"{asked.source.name} gave way; what is finished of it is kept.")

    def _let_stop(self) -> None:
        """Wait until no place works on it any more: its folder may be removed then."""
        job, deadline = self._turn.job, time.monotonic() + STOP_S
        while self._foreman.at_work(job) and time.monotonic() < deadline:
            time.sleep(POLL_S / 10)
        if self._foreman.at_work(job):
            self._foreman.kill(job, f"it did not stop within {STOP_S:.0f} s")

    # -- planning -----------------------------------------------------------------------------------------

    def _order(self, index: int, attempt: str) -> dict[str, Any]:
        """What a place is to do for a unit."""
        asked = self._asked
        # The second is for other machines: the first may lead through this process.
        where = {"source": str(asked.source), "path": os.path.realpath(asked.source)}
        if self._plan is not None:
            target = str(self._folder.target(index, attempt))
            return {"what": "segment", **where, "target": target, "index": index, "plan": self._plan}
        return {
            "what": "begin",
            **where,
            "target": str(self._whole(attempt)),
            "options": dict(asked.options),
            "model": asked.model,
            "kept": self._kept,
        }

    def _whole(self, attempt: str) -> Path:
        """Where an attempt at something that is not made in segments leaves it."""
        target = self._asked.target
        return target.with_name(f"{target.stem}.{attempt}{target.suffix}")

    def _begun(self, made: Made) -> Outcome | None:
        """What was begun: planned, or whole already."""
        answer = made.answer
        if "outcome" in answer:
            return self._take_whole(made)
        plan, goes_on = dict(answer["plan"]), bool(answer["goes_on"])
        missing = self._folder.follow(plan, goes_on=goes_on, on_step=self._check)
        self._plan, self._missing = plan, set(missing)
        self._steps.clear()
        self._foreman.planned(self._turn.job, missing, made.place, str(plan["model"]), _hashes(plan))
        self._report()
        return None

    def _begin_smaller(self) -> None:
        plan, self._plan = self._plan, None
        self._kept = {"plan": plan, "frames": self._folder.frames_done, "retried": False, "too_large": True}
        self._steps.clear()
        self._foreman.again(self._turn.job)

    def _take_whole(self, made: Made) -> Outcome:
        left, said = self._whole(made.attempt), made.answer["outcome"]
        if not left.is_file() or left.stat().st_size != made.answer["bytes"]:
            raise MachineError(f"What {made.place.id} has made is not in {left.parent}; check that it is shared.", 0)
        left.replace(self._asked.target)
        return Outcome(**{**said, "warnings": tuple(said["warnings"])}, places=(by(made.place),))

    # -- segments -----------------------------------------------------------------------------------------

    def _made(self, made: Made) -> None:
        self._steps.pop(made.index, None)
        if made.index not in self._missing:
            return
        try:
            self._folder.take(made.index, made.attempt, made.answer, by(made.place))
        except NotWholeError as error:
            self._foreman.spoilt(self._turn.job, made.index, made.place, str(error))
            return
        self._missing.discard(made.index)
        self._report()

    def _joined(self) -> Outcome:
        outcome = self._join(
            self._asked.source,
            self._asked.target,
            self._folder.path,
            on_progress=lambda stage, done, total, share, _segments=None: self._asked.on_progress(
                stage, done, total, share, self._segments()
            ),
            cancelled=self._asked.cancelled,
        )
        return replace(outcome, places=self._folder.made_by)

    def _check(self) -> None:
        if self._asked.cancelled():
            raise Cancelled(f"{self._asked.source.name} was stopped.")

    # -- progress -----------------------------------------------------------------------------------------

    def _report(self) -> None:
        if self._plan is None:
            step = next(iter(self._steps.values()), None)
            if step is not None:
                self._asked.on_progress(step.stage, step.done, step.total, step.share)
            return
        total, done = int(self._plan["frames"]), self._folder.frames_done
        running = [step for index, step in self._steps.items() if index in self._missing]
        done += sum(step.done for step in running)
        # What is sent on its way to one place says little as long as others make something.
        stages = [step.stage for step in running if step.stage != SENDING] or [step.stage for step in running]
        stage = stages[-1] if stages else "restoring"
        self._asked.on_progress(stage, done, total, min(done / total, 1.0), self._segments())

    def _segments(self) -> Segments:
        assert self._plan is not None
        segments = self._plan["segments"]
        finished = self._folder.frames_done
        nearest = min((self._frames(index) for index in self._missing if index in self._steps), default=0)
        return Segments(len(segments) - len(self._missing), len(segments), (finished + nearest) / self._plan["frames"])

    def _frames(self, index: int) -> int:
        assert self._plan is not None
        segment = self._plan["segments"][index]
        return int(segment["stop"]) - int(segment["start"])


def _hashes(plan: Any) -> dict[str, str]:
    """SHA-256 of the files that a plan is for, as of `Turn`; none of the embedded model, which each version has."""
    try:
        (model, sha256), (_, of_vae) = plan["models"]
    except (KeyError, TypeError, ValueError):
        # None, or of another version of this program.
        return {}
    return {} if model == DIT_FILE.name else {str(model): str(sha256), VAE: str(of_vae)}


def by(place: Place) -> str:
    """What made something, for people: the kind of GPU and the machine."""
    return f"{place.kind or 'an unknown GPU'} on {place.machine}"
