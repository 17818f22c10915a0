"""Whose turn it is among jobs that can be interrupted: decisions and a ledger, without clocks or threads.

A job of a higher priority goes first, at the next border. Among equals it is first come, first served: two videos do
not take turns, since each change would cost opening a file and perhaps loading a model, and neither would be done
sooner on the average. But a short job need not wait for a long video that came before it. What others take ahead of a
video is booked: it is given back as much before the next one may overtake it, so that it keeps half of the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# A job is short against a video if it takes no more than this share of what is left of that, and these seconds.
SHARE, MOST_S = 0.25, 300.0
# Seconds that it costs a video to let go and to begin again, and what loading another model and its own again adds.
RETURN_S, LOADS_S = 1.0, 20.0
# Seconds that a video which has not run yet is in credit: enough for one job to overtake it.
FIRST_S = 1.0


@dataclass(frozen=True, slots=True)
class Bid:
    """A job that could run now.

    Attributes:
        id: of the job. rank: jobs of a lower one go first, whatever the rest says. number: order of arrival.
        left_s: seconds that it will still take. lets_go: whether it can be interrupted without losing what is done.
        model: what it asked for; empty: the default.
    """

    id: str
    rank: tuple[bool, int]
    number: int
    left_s: float
    lets_go: bool
    model: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The job to run, and the one that it overtakes, if it does."""

    bid: Bid
    overtaken: Bid | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """For how many seconds a chosen job has run since then, and how many segments it has finished in them."""

    choice: Choice
    seconds: float
    segments: int


class Turns:
    """Chooses among jobs, and remembers what those that were overtaken are owed."""

    def __init__(self) -> None:
        # Seconds that others may still take ahead of a video.
        self._credit: dict[str, float] = {}

    def choose(self, bids: Iterable[Bid], running: Run | None = None) -> Choice | None:
        """The next one; None if there is none.

        Args:
            bids: of all jobs that could run, the running one too, by rank and then by number; read as far as needed.
            running: how far the running one is, if one runs.
        """
        waiting = iter(bids)
        first = next(waiting, None)
        if first is None:
            return None
        if not first.lets_go or self._credit_of(first, running) <= 0:
            return Choice(first)
        for other in waiting:
            if other.rank != first.rank:
                break
            if is_short(other, first):
                return Choice(other, first)
        return Choice(first)

    def ran(self, run: Run) -> None:
        """Book a run that is over."""
        ran, overtaken = run.choice.bid, run.choice.overtaken
        if ran.lets_go:
            self._credit[ran.id] = self._earned(run)
        if overtaken is not None:
            self._credit[overtaken.id] = self._credit.get(overtaken.id, 0.0) - run.seconds

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        self._credit.pop(job_id, None)

    def _credit_of(self, bid: Bid, running: Run | None) -> float:
        if running is not None and running.choice.bid.id == bid.id:
            return self._earned(running)
        return self._credit.get(bid.id, FIRST_S)

    def _earned(self, run: Run) -> float:
        # No more than one segment's: a long run alone is no reason for it to be kept waiting for long.
        earned = self._credit.get(run.choice.bid.id, 0.0) + run.seconds
        return min(earned, run.seconds / max(run.segments, 1))


def is_short(job: Bid, against: Bid) -> bool:
    """Whether a job is short against what is left of a video."""
    cost_s = RETURN_S + (LOADS_S if job.model != against.model else 0.0)
    return job.left_s <= MOST_S and job.left_s + cost_s <= SHARE * against.left_s
