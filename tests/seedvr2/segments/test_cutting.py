"""Shots to segments."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seedvr2.segments.cutting import Grid, Segment, divide


def test_short_shots_are_taken_together() -> None:
    assert divide([0, 10, 20, 50], 60, 40, Grid(5)) == [
        Segment(0, 20, 0, 20, (0, 10)),
        Segment(20, 60, 20, 60, (20, 50)),
    ]


def test_a_long_shot_is_divided_where_batches_begin() -> None:
    assert divide([0], 103, 40, Grid(5)) == [
        Segment(0, 35, 0, 35, (0,)),
        Segment(35, 70, 35, 70, ()),
        Segment(70, 103, 70, 103, ()),
    ]


def test_overlapping_batches_across_a_border_are_computed_by_both_sides() -> None:
    parts = divide([0, 20], 124, 60, Grid(9, 3))
    assert parts[0] == Segment(0, 20, 0, 20, (0,))
    assert [(part.start, part.stop) for part in parts[1:]] == [(20, 74), (74, 124)]
    assert (parts[1].first, parts[1].last) == (20, 83)
    assert (parts[2].first, parts[2].last) == (68, 124)
    assert not parts[1].begins_within_shot
    assert parts[2].begins_within_shot


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
        assert segment.first <= segment.start < segment.stop <= segment.last
        assert segment.stop - segment.start <= max(most, 0) + 2 * window
        # What it is computed from never leaves the shots that its own frames are in.
        begin = max(shot for shot in shots if shot <= segment.start)
        end = min((shot for shot in (*shots, frames) if shot >= segment.stop), default=frames)
        assert begin <= segment.first
        assert segment.last <= end
