"""Gives the units of all running jobs to the places of the cluster, and tells each job what became of its own.

Threads of jobs ask, the thread of the gateway tells; one lock is between them. What is decided, the dispatcher decides.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daemon.cluster import messages as say
from daemon.cluster.dispatcher import Dispatcher, Turn
from daemon.cluster.endings import Attempt, Endings
from daemon.cluster.gateway import Down
from daemon.cluster.job_events import Event, Step
from daemon.cluster.lacking import another_file, missing
from daemon.cluster.places import Places
from seedvr2.catalogue.registry import BY_NAME

Order = Callable[[int, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Desk:
    order: Order
    events: queue.SimpleQueue[Event]


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
        self._places = Places()
        self._attempts: dict[str, Attempt] = {}
        self._endings = Endings(dispatcher, self._places)
        self._carried: Counter[tuple[str, str]] = Counter()

    # -- for any thread -----------------------------------------------------------------------------------

    @property
    def places(self) -> list[say.Place]:
        """All that there are, by name."""
        with self._lock:
            return self._places.all

    @property
    def capacity(self) -> int:
        """How many places can work."""
        with self._lock:
            return len(self._places.spots)

    @property
    def problems(self) -> list[str]:
        """What is wrong with the cluster, a sentence each."""
        with self._lock:
            return self._places.problems

    @property
    def units(self) -> Counter[tuple[str, str]]:
        """How many came to which end, by machine and end: made, failed, lost or spoilt."""
        with self._lock:
            return self._endings.units.copy()

    @property
    def seconds(self) -> dict[str, tuple[int, float]]:
        """Number and time of the units that were made, by kind of GPU."""
        with self._lock:
            return self._endings.seconds.copy()

    @property
    def carried(self) -> Counter[tuple[str, str]]:
        """Bytes of files that have travelled, by machine and whether they went "to" it or came "from" it."""
        with self._lock:
            return self._carried.copy()

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
            kind, spots = self._dispatcher.kind(job), self._places.spots
            model = self._dispatcher.lacks_model(job, spots)
            if model:
                return missing(model, {spot.machine for spot in spots})
            hindered = self._endings.hindered(job)
            if hindered and not self._dispatcher.running(job):
                return hindered
            if kind and not any(spot.kind == kind for spot in spots):
                return f"it waits for a machine with {kind}, on which it was begun"
            others = self._dispatcher.others(job, spots)
            if others:
                return another_file(others)
            if self._dispatcher.stranded(job, spots):
                return "a part of it failed where it was tried, and waits for another machine"
            return ""

    @property
    def lacking(self) -> list[str]:
        """The published models that running jobs wait for, since no machine has them."""
        with self._lock:
            spots = self._places.spots
            return sorted(BY_NAME.keys() & {self._dispatcher.lacks_model(job, spots) for job in self._desks})

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

    def planned(
        self, job: str, units: Iterable[int], place: say.Place, model: str, hashes: Mapping[str, str] | None = None
    ) -> None:
        """These units are to be made, at places of the kind of the one that has planned them, with such files."""
        with self._lock:
            self._dispatcher.planned(job, units, place.kind, model, hashes)
            self._assign()

    def again(self, job: str) -> None:
        """Plan a job anew."""
        with self._lock:
            self._withdraw_all(job)
            self._dispatcher.again(job)
            self._assign()

    def spoilt(self, job: str, index: int, place: say.Place, why: str) -> None:
        """Have a unit made once more: what was made of it at a place is no good."""
        with self._lock:
            self._endings.spoilt(job, index, place, why, self._desks[job].events.put)
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
            self._endings.forget(job)
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
            before = len(self._places.spots)
            match message:
                case say.Up():
                    self._places.why = ""
                case Down(why=why):
                    self._down(f"the cluster is away and is started anew: {why}")
                case say.Seen(place=place):
                    self._places.seen(place)
                case say.Gone(place=name, why=why):
                    self._places.left(name, why)
                case say.Progress():
                    self._progressed(message)
                case say.Done() | say.Failed() | say.Lost():
                    self._over(message)
                case say.Carried(machine=machine, direction=direction):
                    self._carried[machine, direction] += message.bytes
            self._assign()
            changed = len(self._places.spots) != before
        if changed:
            self.changed()

    def _down(self, why: str) -> None:
        self._places.down(why)
        for attempt in self._attempts.values():
            self._endings.away(attempt)
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
        self._endings.over(said, attempt, desk.events.put)

    # -- inside -------------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Give each place that is free something to do."""
        spots, now = self._places.spots, time.monotonic()
        taken = {attempt.place for attempt in self._attempts.values()}
        for spot in spots:
            if spot.id in taken or not self._places.idle(spot.id):
                continue
            chosen = self._dispatcher.next(spot, spots, now)
            if chosen is None:
                continue
            job, index = chosen
            name = secrets.token_hex(4)
            self._attempts[name] = Attempt(job, index, spot.id, now, now)
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
