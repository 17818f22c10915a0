"""Shots to segments."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seedvr2.segments.cutting import Grid, Segment, divide, frames_at_a_time


def test_short_shots_are_taken_together() -> None:
    assert divide([0, 10, 20, 50], 60, 40, Grid(5)) == [
        Segment(0, 20, 0, 0, (10,)),
        Segment(20, 60, 20, 0, (50,)),
    ]


def test_a_long_shot_is_divided_where_batches_begin() -> None:
    parts = divide([0], 103, 40, Grid(5))
    assert parts == [Segment(0, 35, 0, 0, ()), Segment(35, 70, 35, 7, ()), Segment(70, 103, 70, 14, ())]
    assert [part.begins_shot for part in parts] == [True, False, False]


def test_batches_that_reach_across_a_border_are_computed_again() -> None:
    first, second, third = divide([0, 20], 124, 60, Grid(9, 3))
    assert first == Segment(0, 20, 0, 0, ())
    assert second == Segment(20, 74, 20, 0, ())
    assert third == Segment(74, 124, 68, 8, ())
    # With more than half of a batch shared, a frame is in three of them.
    assert divide([0], 20, 10, Grid(5, 3))[1] == Segment(10, 20, 6, 3, ())


def test_prepended_frames_move_the_grid() -> None:
    first, second = divide([0], 40, 24, Grid(5, 0, prepend=3))
    assert (first.stop + 3) % 5 == 0
    assert second.start == first.stop


@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    most=st.integers(1, 300),
    window=st.integers(1, 33),
    overlap=st.integers(0, 32),
    prepend=st.integers(0, 20),
)
def test_every_frame_is_in_one_segment(lengths: list[int], most: int, window: int, overlap: int, prepend: int) -> None:
    shots = [0, *itertools.accumulate(lengths[:-1])]
    frames, grid = sum(lengths), Grid(window, overlap, prepend)
    segments = divide(shots, frames, most, grid)
    assert [segment.start for segment in segments] == [0, *(segment.stop for segment in segments[:-1])]
    assert segments[-1].stop == frames
    for segment in segments:
        assert segment.first <= segment.start < segment.stop
        assert segment.stop - segment.start <= max(most, 0) + 2 * window
        # What it is computed from never reaches back beyond its shot, and begins with a batch of it.
        begin = max(shot for shot in shots if shot <= segment.start)
        assert segment.first == max(begin, begin + segment.batch * grid.step - (prepend if segment.batch else 0))
        if segment.batch:
            assert segment.first + grid.shared <= segment.start
        assert all(segment.start < shot < segment.stop for shot in segment.shots)


def test_a_segment_takes_minutes() -> None:
    assert frames_at_a_time((64, 64), 10**7, gpu=False) == 480
    assert frames_at_a_time((1920, 1080), 10**7, gpu=False) == 24
    assert frames_at_a_time((1920, 1080), 7 * 10**9, gpu=True) == 241
    assert frames_at_a_time((1920, 1080), 7 * 10**9, gpu=False) == 1
