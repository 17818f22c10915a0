"""What runs next, and where: decisions alone, without threads and without a clock.

A job begins with one unit, `BEGIN`, of which the others come: the segments of a video. Each unit is made at one place,
once, unless it is lost on the way. A place that is free is given a unit of the most urgent job; among equals of the one
with the fewest running units, and then of the one that was given none for the longest. So a small job waits for one
segment at the most, and one that is alone gets all. Pictures count as one job together: a flood of them leaves a film
its share.
"""

from __future__ import annotations

import bisect
import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BEGIN = -1
# Names that leave the choice of the model to the place.
ANY = ("", "auto")
# What the file beside the transformer goes by, whatever its name.
VAE = "VAE"
# Seconds that a job may be kept waiting for the sake of a model that is in memory.
PATIENCE_S = 60.0
# Machines on which a unit may fail until that is the file's doing.
MOST_MACHINES = 2
# The weight of a newest measurement.
_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Turn:
    """A job as far as it matters here.

    Attributes:
        rank: jobs of a lower one go first. number: order of arrival. whole: whether it is a single unit, as a picture.
        model: what it asked for; empty: the default.
        hashes: SHA-256 of the files with which something of it is made already: of the model by its name, and of `VAE`.
    """

    job: str
    rank: tuple[bool, int]
    number: int
    whole: bool = False
    model: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that works, or could.

    Attributes:
        machine, kind: where it is, and the kind of its GPU. free_mb: MiB that are free there. model: in memory.
        models: SHA-256 of the files that are there, by name, empty where not known; none at all: any may be there.
        fetches: whether a model that is missing is fetched there by itself.
    """

    id: str
    machine: str
    kind: str
    free_mb: int = 0
    model: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    fetches: bool = False


class Verdict(enum.Enum):
    """What becomes of a unit that was not made."""

    AGAIN = "it is made again"
    GIVEN_UP = "its job fails"
    SMALLER = "its job is planned anew with less"


@dataclass(slots=True)
class _Unit:
    lost_on: list[str] = field(default_factory=list)
    failed_on: list[str] = field(default_factory=list)
    more_than_mb: int = -1


@dataclass(slots=True)
class _Job:
    turn: Turn
    since: float
    units: dict[int, _Unit]
    waiting: list[int]
    kind: str = ""
    model: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    held: bool = False
    running: dict[str, int] = field(default_factory=dict)


class Dispatcher:
    """Used under one lock.

    Args:
        mixed: whether places of several kinds may make units of one job. most_places: of one job at a time; 0: all.
        attempts: times that a unit may be lost.
    """

    def __init__(self, *, mixed: bool = False, most_places: int = 0, attempts: int = 3) -> None:
        self._mixed = mixed
        self._most_places = most_places
        self._attempts = attempts
        self._jobs: dict[str, _Job] = {}
        self._speeds: dict[tuple[str, str], float] = {}
        # When a group was last given something, counted in things given.
        self._given: dict[object, int] = {}
        self._number = 0

    # -- jobs ---------------------------------------------------------------------------------------------

    def add(self, turn: Turn, now: float) -> None:
        """A job that is to begin."""
        self._jobs[turn.job] = _Job(turn, now, {BEGIN: _Unit()}, [BEGIN], model=turn.model, hashes=turn.hashes)

    def planned(
        self, job: str, units: Iterable[int], kind: str, model: str, hashes: Mapping[str, str] | None = None
    ) -> None:
        """These units of a job are to be made, at places of that kind; those that it had before are forgotten.

        Args:
            hashes: SHA-256 of the files that the plan is for, as of `Turn`.
        """
        known = self._jobs[job]
        known.units = {index: _Unit() for index in units}
        known.waiting = sorted(known.units)
        known.kind, known.model, known.hashes = kind, model, hashes or {}

    def again(self, job: str) -> None:
        """A job is to be begun once more."""
        known = self._jobs[job]
        known.units, known.waiting, known.kind = {BEGIN: _Unit()}, [BEGIN], ""

    def redo(self, job: str, index: int, machine: str) -> Verdict:
        """A unit that was done is no good, and counts as lost there."""
        known = self._jobs[job]
        unit = known.units[index]
        unit.lost_on.append(machine)
        bisect.insort(known.waiting, index)
        return Verdict.GIVEN_UP if len(unit.lost_on) >= self._attempts else Verdict.AGAIN

    def hold(self, job: str) -> None:
        """Give out no more of a job."""
        self._jobs[job].held = True

    def remove(self, job: str) -> list[str]:
        """Forget a job; answers the places that are at work on it."""
        known = self._jobs.pop(job, None)
        self._given.pop(job, None)
        return list(known.running) if known else []

    # -- places -------------------------------------------------------------------------------------------

    def next(self, spot: Spot, spots: Sequence[Spot], now: float) -> tuple[str, int] | None:
        """What a free place does next, which then counts as running there.

        Args:
            spots: all places that there are, free or not.
        """
        choice: tuple[tuple[Any, ...], _Job, int] | None = None
        running: Counter[object] = Counter()
        for job in self._jobs.values():
            running[_group(job)] += len(job.running)
        for job in self._jobs.values():
            if job.held or (self._most_places and len(job.running) >= self._most_places):
                continue
            index = self._fitting(job, spot, spots)
            if index is None:
                continue
            other_model = bool(spot.model and job.model and job.model != spot.model and now - job.since < PATIENCE_S)
            group = _group(job)
            given = self._given.get(group, 0)
            key = (job.turn.rank, running[group], other_model, given, job.turn.number)
            if choice is None or key < choice[0]:
                choice = key, job, index
        if choice is None:
            return None
        _, job, index = choice
        job.waiting.remove(index)
        job.running[spot.id] = index
        job.since = now
        self._number += 1
        self._given[_group(job)] = self._number
        return job.turn.job, index

    def done(self, job: str, place: str) -> int:
        """A place has made its unit of a job; answers which."""
        return self._jobs[job].running.pop(place)

    def taken_back(self, job: str, place: str) -> None:
        """What a place had of a job is made again, by no fault of it."""
        self._wait_again(self._jobs[job], place)

    def lost(self, job: str, place: str, machine: str) -> tuple[Verdict, tuple[str, ...]]:
        """A place ended over its unit of a job; answers also on which machines that happened."""
        known = self._jobs[job]
        unit = known.units[self._wait_again(known, place)]
        unit.lost_on.append(machine)
        given_up = len(unit.lost_on) >= self._attempts
        return Verdict.GIVEN_UP if given_up else Verdict.AGAIN, tuple(dict.fromkeys(unit.lost_on))

    def failed(self, job: str, place: str, machine: str, spots: Sequence[Spot]) -> tuple[Verdict, tuple[str, ...]]:
        """A machine cannot make a unit of a job; answers also all that could not."""
        known = self._jobs[job]
        index = self._wait_again(known, place)
        unit = known.units[index]
        unit.failed_on.append(machine)
        machines = tuple(dict.fromkeys(unit.failed_on))
        others = any(self._may(known, index, spot, spots) for spot in spots)
        return Verdict.AGAIN if others and len(machines) < MOST_MACHINES else Verdict.GIVEN_UP, machines

    def out_of_memory(self, job: str, place: Spot, spots: Sequence[Spot]) -> Verdict:
        """There was not enough memory for a unit of a job, whose plan does not change by itself."""
        known = self._jobs[job]
        index = self._wait_again(known, place.id)
        known.units[index].more_than_mb = max(known.units[index].more_than_mb, place.free_mb)
        larger = any(self._may(known, index, spot, spots) for spot in spots)
        return Verdict.AGAIN if larger else Verdict.SMALLER

    def stranded(self, job: str, spots: Sequence[Spot]) -> bool:
        """Whether a unit of a job failed somewhere and nobody else is there who could make it."""
        known = self._jobs.get(job)
        return known is not None and any(
            (unit.failed_on or unit.more_than_mb >= 0)
            and not any(self._may(known, index, spot, spots) for spot in spots)
            for index, unit in known.units.items()
            if index in known.waiting
        )

    def running(self, job: str) -> dict[str, int]:
        """Which unit of a job is made at which place."""
        known = self._jobs.get(job)
        return dict(known.running) if known else {}

    def lacks_model(self, job: str, spots: Sequence[Spot]) -> str:
        """The model of a job that is nowhere; empty if it is somewhere, or nobody is there."""
        known = self._jobs.get(job)
        if known is None or not spots or any(_has(spot, known.model) for spot in spots):
            return ""
        return known.model

    def others(self, job: str, spots: Sequence[Spot]) -> dict[str, str]:
        """Where nobody is there who has the model that a job is planned for: which machines have another file.

        Returns:
            The name of that file, by machine; nothing if somebody has the right one, or none is known to be another.
        """
        known = self._jobs.get(job)
        if known is None or BEGIN in known.units:
            return {}
        able = [spot for spot in spots if _has(spot, known.model) and (self._mixed or spot.kind == known.kind)]
        if any(not _other(spot, known.hashes) for spot in able):
            return {}
        return {spot.machine: _other(spot, known.hashes) for spot in able}

    def kind(self, job: str) -> str:
        """Of the places that may make a job; empty as long as that is open, or if all may."""
        known = self._jobs.get(job)
        return known.kind if known and not self._mixed else ""

    def measured(self, model: str, kind: str, frames: int, seconds: float) -> None:
        """Learn how fast a kind is."""
        if frames > 0 and seconds > 0:
            speed, old = frames / seconds, self._speeds.get((model, kind))
            self._speeds[model, kind] = speed if old is None else old + _WEIGHT * (speed - old)

    # -- inside -------------------------------------------------------------------------------------------

    def _fitting(self, job: _Job, spot: Spot, spots: Sequence[Spot]) -> int | None:
        return next((index for index in job.waiting if self._may(job, index, spot, spots)), None)

    def _may(self, job: _Job, index: int, spot: Spot, spots: Sequence[Spot]) -> bool:
        unit = job.units[index]
        if spot.machine in unit.failed_on or spot.free_mb <= unit.more_than_mb:
            return False
        return self._suits(job, spot, spots)

    def _suits(self, job: _Job, spot: Spot, spots: Sequence[Spot]) -> bool:
        if not _has(spot, job.model) or not self._same(job, spot, spots):
            return False
        if self._mixed or job.turn.whole:
            return True
        return spot.kind == (job.kind or self._best_kind(job, spots))

    def _same(self, job: _Job, spot: Spot, spots: Sequence[Spot]) -> bool:
        """Whether what a place makes of a job goes with the rest, as far as its weight files are known."""
        if not _other(spot, job.hashes):
            return True
        # What was made with files that nobody has any more is made anew, as on a single machine.
        return BEGIN in job.units and all(_other(each, job.hashes) for each in spots if _has(each, job.model))

    def _best_kind(self, job: _Job, spots: Sequence[Spot]) -> str:
        """The kind that makes most of a model in all; unknown ones count as the slowest that was measured."""
        model = job.model
        slowest = min((speed for (name, _), speed in self._speeds.items() if name == model), default=1.0)
        sums: dict[str, float] = {}
        for spot in spots:
            if not _has(spot, model) or not self._same(job, spot, spots):
                continue
            sums[spot.kind] = sums.get(spot.kind, 0.0) + self._speeds.get((model, spot.kind), slowest)
        return max(sums, key=lambda kind: (sums[kind], kind), default="")

    def _wait_again(self, job: _Job, place: str) -> int:
        index = job.running.pop(place)
        bisect.insort(job.waiting, index)
        return index


def _group(job: _Job) -> object:
    """What shares places with others as one."""
    return job.turn.rank if job.turn.whole else job.turn.job


def _has(spot: Spot, model: str) -> bool:
    """Whether a model is there, as far as anybody knows."""
    return model in ANY or not spot.models or spot.fetches or model in spot.models


def _other(spot: Spot, hashes: Mapping[str, str]) -> str:
    """The name of a file that is known to be another one there than is wanted; empty if there is none."""
    return next(
        (name for name, sha256 in hashes.items() if sha256 and spot.models.get(name) not in ("", None, sha256)), ""
    )
