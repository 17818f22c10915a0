"""Every frame has a time later than the one before, the file's own wherever there is one."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seedvr2.media.videos.timing import Clock

TICK, RATE = Fraction(1, 1000), Fraction(25)


def stamps(times: list[int | None], durations: list[int] | None = None) -> tuple[list[int], int]:
    clock = Clock(TICK, RATE, by_packets=False)
    return [clock.stamp(time, None, (durations or [0] * 99)[i]) for i, time in enumerate(times)], clock.moved


def test_times_that_increase_are_left_alone() -> None:
    assert stamps([5, 6, 100, 101]) == ([5, 6, 100, 101], 0)


def test_missing_times_follow_at_the_pace_of_the_file() -> None:
    assert stamps([None, None, 200, None]) == ([0, 40, 200, 240], 0)
    assert stamps([0, None, None], [30, 10, 0]) == ([0, 30, 40], 0)


def test_small_disorder_moves_only_the_frame_that_is_late() -> None:
    assert stamps([0, 40, 40, 80]) == ([0, 40, 41, 80], 1)
    assert stamps([0, 80, 40, 120]) == ([0, 80, 81, 120], 1)
    assert stamps([400, 10, 20], [40] * 3) == ([400, 401, 402], 2)


def test_clock_that_is_set_back_runs_on() -> None:
    assert stamps([5000, 5040, 0, 40, 80]) == ([5000, 5040, 5080, 5120, 5160], 1)
    assert stamps([560, 600, 0, 40]) == ([560, 600, 640, 680], 1)


def test_time_that_is_years_away_is_a_mistake() -> None:
    year = 365 * 86400 * 1000
    assert stamps([0, 40, year, 120, 160]) == ([0, 40, 80, 120, 160], 2)
    assert stamps([0, 40, 5 * 3600 * 1000]) == ([0, 40, 5 * 3600 * 1000], 0)


def test_pictures_are_at_the_places_of_packets_where_there_are_no_times_of_presentation() -> None:
    clock = Clock(Fraction(1, 25), RATE, by_packets=True)
    fed = range(9)
    times = [clock.stamp(pts, dts, 1, fed) for pts, dts in ((1, 2), (4, 3), (3, 4), (None, 5), (2, 8))]
    assert (times, clock.moved) == ([0, 1, 2, 3, 6], 0)


def test_empty_places_and_a_late_beginning_keep_their_time() -> None:
    """Packets at 20, 21, 30, 31 and 32, whose pictures come two packets later."""
    clock = Clock(Fraction(1, 25), RATE, by_packets=True)
    fed = [20, 21, 30, 31, 32]
    assert [clock.stamp(None, dts, 1, fed) for dts in (30, 31, 32, None, None)] == fed
    assert clock.moved == 0


@given(st.lists(st.none() | st.integers(-(10**6), 10**6), max_size=40))
def test_times_always_increase(times: list[int | None]) -> None:
    clock = Clock(TICK, RATE, by_packets=False)
    result = [clock.stamp(time, None, 0) for time in times]
    assert all(later > earlier for earlier, later in pairwise(result))
