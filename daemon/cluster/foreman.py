"""Gives the units of all running jobs to the places of the cluster, and tells each job what became of its own.

Threads of jobs ask, the thread of the gateway tells; one lock is between them. What is decided, the dispatcher decides.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.cluster import messages as say
from daemon.cluster.dispatcher import BEGIN, Dispatcher, Spot, Turn, Verdict
from daemon.cluster.gateway import Down
from daemon.engine.faults import as_error
from daemon.engine.messages import Fault
from daemon.errors import EngineBugError
from seedvr2.errors import Cancelled, MediaError, NeverFitsError, NumericError, OptionError, OutOfMemoryError

log = logging.getLogger(__name__)
READY = ("idle", "loading", "busy")


class UnitError(EngineBugError):
    """A unit cannot be made, on several machines or in several tries; the message names them."""


# -- what a job hears -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """How far a place is with a unit; as `OnProgress` of the executor."""

    index: int
    stage: str
    done: int
    total: int | None
    share: float | None


@dataclass(frozen=True, slots=True)
class Made:
    """A place says that it has made a unit, and what of it. `seconds` it took, the way there and back included."""

    index: int
    attempt: str
    place: say.Place
    answer: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class TooLarge:
    """No place has the memory that a unit takes by the present plan."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job ends with an error."""

    error: Exception


Event: TypeAlias = Step | Made | TooLarge | Ended
Order = Callable[[int, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Desk:
    order: Order
    events: queue.SimpleQueue[Event]


@dataclass(slots=True)
class _Attempt:
    job: str
    index: int
    place: str
    began: float
    moved: float


class Foreman:
    """Thread-safe.

    Args:
        send: to the gateway. changed: called when the number of places has changed; must return at once.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        send: Callable[[say.ToGateway], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._dispatcher = dispatcher
        self._send = send
        self.changed = changed
        self._lock = threading.RLock()
        self._desks: dict[str, _Desk] = {}
        self._places: dict[str, say.Place] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._gone: dict[str, str] = {}
        self._why = "the cluster is being started"
        self.units: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, tuple[int, float]] = {}
        # Bytes by machine, and whether they went "to" it or came "from" it.
        self.carried: Counter[tuple[str, str]] = Counter()
        # By job, the place that could not take what it was given last, and why.
        self._hindered: dict[str, tuple[str, str]] = {}

    # -- for any thread -----------------------------------------------------------------------------------

    @property
    def places(self) -> list[say.Place]:
        """All that there are, by name."""
        with self._lock:
            return [self._places[name] for name in sorted(self._places)]

    @property
    def capacity(self) -> int:
        """How many places can work."""
        with self._lock:
            return len(self._spots())

    @property
    def problems(self) -> list[str]:
        """What is wrong with the cluster, a sentence each."""
        with self._lock:
            if self._why:
                return [self._why]
            said = [f"{place.id}: {place.why}" for place in self._places.values() if place.why]
            return [*self._gone.values(), *sorted(said)]

    def places_of(self, job: str) -> list[str]:
        """The places that are at work on a job."""
        with self._lock:
            return sorted(self._dispatcher.running(job))

    def work_at(self, place: str) -> tuple[str, int] | None:
        """The job and the unit that a place is at work on."""
        with self._lock:
            return next(((each.job, each.index) for each in self._attempts.values() if each.place == place), None)

    def waits_for(self, job: str) -> str:
        """Why nobody works on a running job, in a few words; empty if somebody does or soon will."""
        with self._lock:
            kind, spots = self._dispatcher.kind(job), self._spots()
            model = self._dispatcher.lacks_model(job, spots)
            if model:
                return f"no machine has {model}; run `seedvr2 models pull {model}` on those that are to make it"
            place, why = self._hindered.get(job, ("", ""))
            if place and not self._dispatcher.running(job) and not any(spot.id == place for spot in spots):
                return f"{place}: {why}"
            if kind and not any(spot.kind == kind for spot in spots):
                return f"it waits for a machine with {kind}, on which it was begun"
            if self._dispatcher.stranded(job, spots):
                return "a part of it failed where it was tried, and waits for another machine"
            return ""

    # -- for the thread of a job --------------------------------------------------------------------------

    def enter(self, turn: Turn, order: Order, events: queue.SimpleQueue[Event]) -> None:
        """Begin a job.

        Args:
            order: makes the order for a unit, `BEGIN` at first, given the name of the attempt. events: told of it.
        """
        with self._lock:
            self._desks[turn.job] = _Desk(order, events)
            self._dispatcher.add(turn, time.monotonic())
            self._assign()

    def planned(self, job: str, units: Iterable[int], place: say.Place, model: str) -> None:
        """These units are to be made, at places of the kind of the one that has planned them."""
        with self._lock:
            self._dispatcher.planned(job, units, place.kind, model)
            self._assign()

    def again(self, job: str) -> None:
        """Plan a job anew."""
        with self._lock:
            self._withdraw_all(job)
            self._dispatcher.again(job)
            self._assign()

    def spoilt(self, job: str, index: int, place: say.Place, why: str) -> None:
        """Have a unit made once more: what was made of it at a place is no good."""
        log.error("job %s: %s comes from %s, and is made again: %s", job, _name(index), place.id, why)
        with self._lock:
            self.units[place.machine, "spoilt"] += 1
            if self._dispatcher.redo(job, index, place.machine) is Verdict.GIVEN_UP and job in self._desks:
                error = UnitError(f"{_name(index).capitalize()} comes back damaged each time ({why}); check the disks.")
                self._desks[job].events.put(Ended(error))
            self._assign()

    def hold(self, job: str) -> bool:
        """Give out no more of a job; whether none of it is being made any more."""
        with self._lock:
            self._dispatcher.hold(job)
            return not self._dispatcher.running(job)

    def leave(self, job: str) -> None:
        """A job ends; what is still made of it is not wanted any more."""
        with self._lock:
            self._withdraw_all(job)
            self._dispatcher.remove(job)
            self._desks.pop(job, None)
            self._hindered.pop(job, None)
            self._assign()

    def at_work(self, job: str) -> bool:
        """Whether a place has not let go of a job that was withdrawn from it."""
        with self._lock:
            return any(attempt.job == job for attempt in self._attempts.values())

    def end_stalled(self, job: str, seconds: float) -> None:
        """End the processes in which nothing of a job has moved for so long; what they had is made again."""
        with self._lock:
            for attempt in self._attempts.values():
                if attempt.job == job and time.monotonic() - attempt.moved > seconds:
                    attempt.moved = time.monotonic()
                    self._send(say.Kill(attempt.place, f"nothing moved there for {seconds:.0f} s"))

    def kill(self, job: str, why: str) -> None:
        """End the processes that do not stop."""
        with self._lock:
            for attempt in list(self._attempts.values()):
                if attempt.job == job:
                    self._send(say.Kill(attempt.place, why))

    # -- in the thread of the gateway ---------------------------------------------------------------------

    def hear(self, message: say.FromGateway | Down) -> None:
        """What the gateway says."""
        with self._lock:
            before = len(self._spots())
            match message:
                case say.Up():
                    self._why = ""
                case Down(why=why):
                    self._down(f"the cluster is away and is started anew: {why}")
                case say.Seen(place=place):
                    self._gone.pop(place.id, None)
                    self._places[place.id] = place
                case say.Gone(place=name, why=why):
                    if self._places.pop(name, None) is not None:
                        self._gone[name] = why
                case say.Progress():
                    self._progressed(message)
                case say.Done() | say.Failed() | say.Lost():
                    self._over(message)
                case say.Carried(machine=machine, direction=direction):
                    self.carried[machine, direction] += message.bytes
            self._assign()
            changed = len(self._spots()) != before
        if changed:
            self.changed()

    def _down(self, why: str) -> None:
        self._why = why
        self._places.clear()
        self._gone.clear()
        for attempt in self._attempts.values():
            if attempt.place in self._dispatcher.running(attempt.job):
                # By no fault of theirs, whatever they are.
                self._dispatcher.taken_back(attempt.job, attempt.place)
                self.units[_machine(attempt.place), "lost"] += 1
        self._attempts.clear()

    def _progressed(self, said: say.Progress) -> None:
        attempt = self._attempts.get(said.attempt)
        desk = self._desks.get(attempt.job) if attempt else None
        if attempt and desk:
            attempt.moved = time.monotonic()
            desk.events.put(Step(attempt.index, said.stage, said.done, said.total, said.share))

    def _over(self, said: say.Done | say.Failed | say.Lost) -> None:
        attempt = self._attempts.pop(said.attempt, None)
        desk = self._desks.get(attempt.job) if attempt else None
        if attempt is None or desk is None or attempt.place not in self._dispatcher.running(attempt.job):
            return
        machine = _machine(attempt.place)
        match said:
            case say.Done():
                self._made(said.attempt, attempt, desk, said.answer)
            case say.Lost(begun=False, why=why):
                self._dispatcher.taken_back(attempt.job, attempt.place)
                self._hindered[attempt.job] = attempt.place, why
            case say.Lost(why=why):
                log.warning("job %s: %s lost at %s: %s", attempt.job, _name(attempt.index), attempt.place, why)
                self.units[machine, "lost"] += 1
                self._lost(attempt, desk, machine, why)
            case say.Failed(device=True):
                self.units[machine, "lost"] += 1
                self._lost(attempt, desk, machine, f"the GPU failed ({said.message})")
            case say.Failed(here=True):
                self._dispatcher.taken_back(attempt.job, attempt.place)
                desk.events.put(Ended(_error(said)))
            case say.Failed():
                self.units[machine, "failed"] += 1
                self._failed(attempt, desk, machine, _error(said))

    def _made(self, name: str, attempt: _Attempt, desk: _Desk, answer: Mapping[str, Any]) -> None:
        place, seconds = self._places.get(attempt.place), time.monotonic() - attempt.began
        if place is None:
            # It was told of before: the way of a message that tells of an end is not shorter.
            place = say.Place(attempt.place, _machine(attempt.place))
        self._dispatcher.done(attempt.job, attempt.place)
        self._hindered.pop(attempt.job, None)
        self.units[place.machine, "made"] += 1
        count, total = self.seconds.get(place.kind, (0, 0.0))
        self.seconds[place.kind] = count + 1, total + seconds
        if "frames" in answer:
            model = place.model or ""
            self._dispatcher.measured(model, place.kind, int(answer["frames"]), seconds)
        desk.events.put(Made(attempt.index, name, place, answer, seconds))

    def _lost(self, attempt: _Attempt, desk: _Desk, machine: str, why: str) -> None:
        verdict, machines = self._dispatcher.lost(attempt.job, attempt.place, machine)
        if verdict is Verdict.GIVEN_UP:
            where = " and ".join(machines)
            sentence = f"The process ended each time that {_name(attempt.index)} was made, on {where} ({why})"
            desk.events.put(Ended(UnitError(f"{sentence}; it is not tried again.")))

    def _failed(self, attempt: _Attempt, desk: _Desk, machine: str, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._dispatcher.taken_back(attempt.job, attempt.place)
            return
        if isinstance(error, OutOfMemoryError):
            self._out_of_memory(attempt, desk, error)
            return
        if _of_the_file(error):
            self._dispatcher.taken_back(attempt.job, attempt.place)
            desk.events.put(Ended(error))
            return
        log.warning("job %s: %s failed at %s: %s", attempt.job, _name(attempt.index), attempt.place, error)
        verdict, machines = self._dispatcher.failed(attempt.job, attempt.place, machine, self._spots())
        if verdict is Verdict.AGAIN:
            return
        if len(machines) > 1:
            error = UnitError(f"On {' and on '.join(machines)} {_name(attempt.index)} cannot be made: {error}")
        desk.events.put(Ended(error))

    def _out_of_memory(self, attempt: _Attempt, desk: _Desk, error: OutOfMemoryError) -> None:
        place = self._places.get(attempt.place)
        if place is None:
            self._dispatcher.taken_back(attempt.job, attempt.place)
            return
        verdict = self._dispatcher.out_of_memory(attempt.job, _spot(place), self._spots())
        if verdict is Verdict.SMALLER:
            anew = attempt.index != BEGIN and not isinstance(error, NeverFitsError)
            desk.events.put(TooLarge() if anew else Ended(error))

    # -- inside -------------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Give each place that is free something to do."""
        spots, now = self._spots(), time.monotonic()
        taken = {attempt.place for attempt in self._attempts.values()}
        for spot in spots:
            if spot.id in taken or self._places[spot.id].state != "idle":
                continue
            chosen = self._dispatcher.next(spot, spots, now)
            if chosen is None:
                continue
            job, index = chosen
            name = secrets.token_hex(4)
            self._attempts[name] = _Attempt(job, index, spot.id, now, now)
            self._send(say.Run(name, spot.id, self._desks[job].order(index, name)))

    def _withdraw_all(self, job: str) -> None:
        for name, attempt in list(self._attempts.items()):
            if attempt.job == job:
                self._withdraw(name)

    def _withdraw(self, name: str) -> None:
        attempt = self._attempts[name]
        if attempt.place in self._dispatcher.running(attempt.job):
            self._dispatcher.taken_back(attempt.job, attempt.place)
        self._send(say.Cancel(name))

    def _spots(self) -> list[Spot]:
        return [_spot(place) for place in self._places.values() if place.kind and place.state in READY]


def _spot(place: say.Place) -> Spot:
    return Spot(place.id, place.machine, place.kind, place.free_mb, place.model, frozenset(place.models))


def _machine(place: str) -> str:
    return place.rpartition(":")[0]


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
