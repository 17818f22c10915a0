"""Whose turn it is: simulated days of work, in which nothing is lost, nothing starves and priorities hold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.jobs.turns import LOADS_S, MOST_S, SHARE, Bid, Choice, Run, Turns

NORMAL = (False, 1)


def video(number: int, left_s: float, rank: tuple[bool, int] = NORMAL, model: str = "") -> Bid:
    return Bid(f"v{number}", rank, number, left_s, True, model)


def picture(number: int, left_s: float, rank: tuple[bool, int] = NORMAL, model: str = "") -> Bid:
    return Bid(f"p{number}", rank, number, left_s, False, model)


def chosen(turns: Turns, *bids: Bid) -> str:
    choice = turns.choose(sorted(bids, key=lambda bid: (bid.rank, bid.number)))
    return choice.bid.id if choice else ""


@dataclass
class Simulation:
    """Runs jobs as the worker does. `jobs` are bids with their arrival; videos are made of segments of `segment_s`."""

    jobs: list[tuple[float, Bid]]
    segment_s: float
    turns: Turns = field(default_factory=Turns)
    now: float = 0.0
    # Who ran, from when until when, and what waited meanwhile.
    runs: list[tuple[Choice, float, float]] = field(default_factory=list)
    done_at: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        coming, here = sorted(self.jobs, key=lambda each: each[0]), dict[str, Bid]()
        while coming or here:
            self._arrive(coming, here)
            if not here:
                self.now = coming[0][0]
                continue
            choice = self._choose(here, None)
            assert choice is not None
            assert choice.bid.rank == min(bid.rank for bid in here.values())
            self._work(choice, coming, here)

    def _choose(self, here: dict[str, Bid], running: Run | None) -> Choice | None:
        return self.turns.choose(sorted(here.values(), key=lambda bid: (bid.rank, bid.number)), running)

    def _arrive(self, coming: list[tuple[float, Bid]], here: dict[str, Bid]) -> None:
        while coming and coming[0][0] <= self.now:
            _, bid = coming.pop(0)
            here[bid.id] = bid

    def _work(self, choice: Choice, coming: list[tuple[float, Bid]], here: dict[str, Bid]) -> None:
        bid, began, segments = choice.bid, self.now, 0
        while bid.id in here:
            piece = min(self.segment_s, here[bid.id].left_s) if bid.lets_go else bid.left_s
            self.now += piece
            segments += 1
            here[bid.id] = replace(here[bid.id], left_s=here[bid.id].left_s - piece)
            self._arrive(coming, here)
            if here[bid.id].left_s <= 1e-9:
                del here[bid.id]
                self.done_at[bid.id] = self.now
                break
            again = self._choose(here, Run(choice, self.now - began, segments))
            if again is None or again.bid.id != bid.id:
                break
        self.runs.append((choice, began, self.now))
        self.turns.ran(Run(choice, self.now - began, segments))
        if bid.id not in here:
            self.turns.forget(bid.id)


ranks = st.sampled_from([(False, 0), NORMAL, (False, 2), (True, 1)])
seconds = st.floats(0.1, 2000, allow_nan=False)


@st.composite
def worlds(draw: st.DrawFn) -> Simulation:
    count = draw(st.integers(1, 25))
    arrivals = sorted(draw(st.floats(0, 3000, allow_nan=False)) for _ in range(count))
    bids = [
        Bid(str(number), draw(ranks), number, draw(seconds), draw(st.booleans()), draw(st.sampled_from(["", "other"])))
        for number in range(count)
    ]
    return Simulation(list(zip(arrivals, bids, strict=True)), draw(st.floats(20, 120)))


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_all_work_is_done_once_and_no_video_gives_away_more_than_it_gets(world: Simulation) -> None:
    world.run()
    assert sorted(world.done_at) == sorted(bid.id for _, bid in world.jobs)
    worked = sum(until - since for _, since, until in world.runs)
    assert abs(worked - sum(bid.left_s for _, bid in world.jobs)) < 1e-3
    for _, elder in world.jobs:
        own = taken = 0.0
        for choice, since, until in world.runs:
            if choice.bid.id == elder.id:
                own += until - since
            elif choice.overtaken is not None and choice.overtaken.id == elder.id:
                assert choice.bid.number > elder.number and choice.bid.rank == elder.rank
                # One more may begin while anything is left, and is short.
                assert taken <= own + 1e-6
                taken += until - since
                assert until - since <= MOST_S


def test_a_stream_of_pictures_and_a_film_share_the_time() -> None:
    film = video(0, 3600)
    pictures = [(10.0, picture(number, 4)) for number in range(1, 1201)]
    world = Simulation([(0.0, film), *pictures], 60)
    world.run()
    # The first one is begun at the next border.
    assert world.done_at["p1"] == 64
    alone = [choice.bid.id for choice, _, _ in world.runs]
    at_border = [index for index, name in enumerate(alone) if name == "v0"]
    gaps = [after - before - 1 for before, after in itertools.pairwise(at_border)]
    assert max(gaps) <= 16 and min(gaps) >= 1
    assert 0.48 <= 3600 / world.done_at["v0"] <= 0.55


def test_two_films_come_one_after_the_other_and_pictures_overtake_both() -> None:
    world = Simulation([(0.0, video(0, 1200)), (5.0, video(1, 1200)), (70.0, picture(2, 5))], 60)
    world.run()
    assert [choice.bid.id for choice, _, _ in world.runs] == ["v0", "p2", "v0", "v1"]
    assert world.done_at["p2"] == 125


def test_a_higher_priority_goes_first_however_long_it_is() -> None:
    turns = Turns()
    assert chosen(turns, video(0, 7200), video(1, 7200, (False, 0))) == "v1"
    assert chosen(turns, video(0, 7200, (False, 0)), picture(1, 1)) == "v0"
    # What ended the service before comes last.
    assert chosen(turns, video(0, 7200, (True, 0)), picture(1, 3000)) == "p1"


def test_short_is_by_what_is_left_of_the_film_and_what_the_change_costs() -> None:
    turns = Turns()
    assert chosen(turns, video(0, 100), picture(1, 100 * SHARE)) == "v0"
    assert chosen(turns, video(0, 100), picture(1, 100 * SHARE - 2)) == "p1"
    assert chosen(turns, video(0, 3), picture(1, 0.1)) == "v0"
    other = picture(1, 2, model="other")
    assert chosen(turns, video(0, 4 * LOADS_S), other) == "v0"
    assert chosen(turns, video(0, 8 * LOADS_S), other) == "p1"
    assert chosen(turns, video(0, 36000), video(1, MOST_S + 1), picture(2, 5)) == "p2"
    assert chosen(turns, picture(0, 600), picture(1, 1)) == "p0"
    assert chosen(turns) == ""


def test_a_job_that_was_thought_short_and_is_not_loses_its_turn() -> None:
    turns = Turns()
    film, clip = video(0, 36000), video(1, 60)
    assert turns.choose([film, clip]) == Choice(clip, film)
    assert chosen(turns, film, replace(clip, left_s=3000)) == "v0"
    turns.ran(Run(Choice(clip, film), 200, 4))
    # The film has that much owed to it.
    assert chosen(turns, film, picture(2, 1)) == "v0"
    turns.ran(Run(Choice(film), 150, 3))
    assert chosen(turns, film, picture(2, 1)) == "v0"
    turns.ran(Run(Choice(film), 60, 1))
    assert chosen(turns, film, picture(2, 1)) == "p2"
