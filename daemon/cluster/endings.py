"""What the end of an attempt means: its unit is made, is made again, or its job fails or is planned anew."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from daemon.cluster import messages as say
from daemon.cluster.dispatcher import BEGIN, Dispatcher, Verdict
from daemon.cluster.job_events import Ended, Event, Made, TooLarge, UnitError
from daemon.cluster.places import Places, spot_of
from daemon.engine.faults import as_error
from daemon.engine.messages import Fault
from seedvr2.errors import Cancelled, MediaError, NeverFitsError, NumericError, OptionError, OutOfMemoryError

log = logging.getLogger(__name__)
Tell: TypeAlias = Callable[[Event], None]


@dataclass(slots=True)
class Attempt:
    """A unit that is being made at a place. `began`, `moved`: when, and when it was last heard of; `time.monotonic`."""

    job: str
    index: int
    place: str
    began: float
    moved: float

    @property
    def machine(self) -> str:
        """Where that is."""
        return self.place.rpartition(":")[0]


class Endings:
    """Used under the lock of the foreman.

    Attributes:
        units: how many came to which end, by machine and end. seconds: number and time of those made, by kind of GPU.
    """

    def __init__(self, dispatcher: Dispatcher, places: Places) -> None:
        self._dispatcher = dispatcher
        self._places = places
        self.units: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, tuple[int, float]] = {}
        # By job, the place that could not take what it was given last, and why.
        self._hindered: dict[str, tuple[str, str]] = {}

    def over(self, said: say.Done | say.Failed | say.Lost, attempt: Attempt, tell: Tell) -> None:
        """An attempt is over, of which the dispatcher knows; `tell` the job what that means for it."""
        match said:
            case say.Done():
                self._made(said, attempt, tell)
            case say.Lost(begun=False, why=why):
                self._dispatcher.taken_back(attempt.job, attempt.place)
                self._hindered[attempt.job] = attempt.place, why
            case say.Lost(why=why):
                log.warning("job %s: %s lost at %s: %s", attempt.job, _name(attempt.index), attempt.place, why)
                self._lost(attempt, tell, why)
            case say.Failed(device=True):
                self._lost(attempt, tell, f"the GPU failed ({said.message})")
            case say.Failed(here=True):
                self._dispatcher.taken_back(attempt.job, attempt.place)
                tell(Ended(_error(said)))
            case say.Failed():
                self.units[attempt.machine, "failed"] += 1
                self._failed(attempt, tell, _error(said))

    def hindered(self, job: str) -> str:
        """Which place could not take a part of a job, and why, as long as it takes nothing else either."""
        place, why = self._hindered.get(job, ("", ""))
        return f"{place}: {why}" if place and not any(spot.id == place for spot in self._places.spots) else ""

    def forget(self, job: str) -> None:
        """A job is gone."""
        self._hindered.pop(job, None)

    def spoilt(self, job: str, index: int, place: say.Place, why: str, tell: Tell) -> None:
        """What was made of a unit at a place is no good."""
        log.error("job %s: %s comes from %s, and is made again: %s", job, _name(index), place.id, why)
        self.units[place.machine, "spoilt"] += 1
        if self._dispatcher.redo(job, index, place.machine) is Verdict.GIVEN_UP:
            error = UnitError(f"{_name(index).capitalize()} comes back damaged each time ({why}); check the disks.")
            tell(Ended(error))

    def away(self, attempt: Attempt) -> None:
        """The whole cluster went, and an attempt with it."""
        if attempt.place in self._dispatcher.running(attempt.job):
            # By no fault of theirs, whatever they are.
            self._dispatcher.taken_back(attempt.job, attempt.place)
            self.units[attempt.machine, "lost"] += 1

    def _made(self, said: say.Done, attempt: Attempt, tell: Tell) -> None:
        place, seconds = self._places.get(attempt.place), time.monotonic() - attempt.began
        if place is None:
            # It was told of before: the way of a message that tells of an end is not shorter.
            place = say.Place(attempt.place, attempt.machine)
        self._dispatcher.done(attempt.job, attempt.place)
        self.forget(attempt.job)
        self.units[place.machine, "made"] += 1
        count, total = self.seconds.get(place.kind, (0, 0.0))
        self.seconds[place.kind] = count + 1, total + seconds
        if "frames" in said.answer:
            model = place.model or ""
            self._dispatcher.measured(model, place.kind, int(said.answer["frames"]), seconds)
        tell(Made(attempt.index, said.attempt, place, said.answer, seconds))

    def _lost(self, attempt: Attempt, tell: Tell, why: str) -> None:
        self.units[attempt.machine, "lost"] += 1
        verdict, machines = self._dispatcher.lost(attempt.job, attempt.place, attempt.machine)
        if verdict is Verdict.GIVEN_UP:
            where = " and ".join(machines)
            sentence = f"The process ended each time that {_name(attempt.index)} was made, on {where} ({why})"
            tell(Ended(UnitError(f"{sentence}; it is not tried again.")))

    def _failed(self, attempt: Attempt, tell: Tell, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._dispatcher.taken_back(attempt.job, attempt.place)
            return
        if isinstance(error, OutOfMemoryError):
            self._out_of_memory(attempt, tell, error)
            return
        if _of_the_file(error):
            self._dispatcher.taken_back(attempt.job, attempt.place)
            tell(Ended(error))
            return
        log.warning("job %s: %s failed at %s: %s", attempt.job, _name(attempt.index), attempt.place, error)
        verdict, machines = self._dispatcher.failed(attempt.job, attempt.place, attempt.machine, self._places.spots)
        if verdict is Verdict.AGAIN:
            return
        if len(machines) > 1:
            error = UnitError(f"On {' and on '.join(machines)} {_name(attempt.index)} cannot be made: {error}")
        tell(Ended(error))

    def _out_of_memory(self, attempt: Attempt, tell: Tell, error: OutOfMemoryError) -> None:
        place = self._places.get(attempt.place)
        if place is None:
            self._dispatcher.taken_back(attempt.job, attempt.place)
            return
        verdict = self._dispatcher.out_of_memory(attempt.job, spot_of(place), self._places.spots)
        if verdict is Verdict.SMALLER:
            anew = attempt.index != BEGIN and not isinstance(error, NeverFitsError)
            tell(TooLarge() if anew else Ended(error))


def _name(index: int) -> str:
    return "it" if index == BEGIN else f"segment {index}"


def _error(said: say.Failed) -> Exception:
    return as_error(Fault(0, said.kind, said.message, said.number, said.name, others_mb=said.others_mb))


def _of_the_file(error: Exception) -> bool:
    """Whether another machine would fare no better."""
    if isinstance(error, OptionError):
        # What differs from the plan differs on that machine.
        return error.name != "plan"
    return isinstance(error, (MediaError, NumericError))
