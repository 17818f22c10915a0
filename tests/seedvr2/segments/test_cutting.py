"""Shots to segments."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seedvr2.network.reach import Reach
from seedvr2.pipeline.latent_windows import LatentGrid
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


def test_a_long_shot_is_divided_where_windows_over_latents_begin() -> None:
    grid = LatentGrid.of(Reach(4, 3, 2), 13)
    parts = divide([0, 20], 220, 80, grid)
    assert [(part.start, part.stop) for part in parts] == [(0, 20), (20, 89), (89, 153), (153, 220)]
    assert [part.begins_shot for part in parts] == [True, True, False, False]
    for part in parts[2:]:
        begin = part.start - 20
        assert begin == grid.begin(part.batch)
        assert part.first == 20 + grid.part(200, begin, part.stop - 20).needed.start < part.start


@given(most=st.integers(1, 300), batch=st.integers(5, 40), prepend=st.integers(0, 9), frames=st.integers(1, 900))
def test_segments_over_latents_have_every_frame_once(most: int, batch: int, prepend: int, frames: int) -> None:
    grid = LatentGrid.of(Reach(4, 3, 2), batch, prepend=prepend)
    segments = divide([0], frames, most, grid)
    assert [segment.start for segment in segments] == [0, *(segment.stop for segment in segments[:-1])]
    assert segments[-1].stop == frames
    assert all(0 <= segment.first <= segment.start < segment.stop for segment in segments)


def test_what_is_looked_at_twice_is_little_beside_a_segment() -> None:
    grid = LatentGrid.of(Reach(4, 8, 9), 5)
    assert grid.border_frames == 76
    large = 7 * 10**9
    assert frames_at_a_time((1920, 1080), large, gpu=True, grid=grid) == 608
    # A frame of the source takes its room, and may be too large for so many to wait.
    assert frames_at_a_time((3840, 2160), large, gpu=True, grid=grid, frame_bytes=1920 * 1080 * 3) == 172
    assert frames_at_a_time((3840, 2160), large, gpu=True, grid=grid, frame_bytes=10**9) == 76
    assert frames_at_a_time((1920, 1080), large, gpu=False, grid=grid) == 76
    nano = LatentGrid.of(Reach(1, 0, 0), 5)
    assert frames_at_a_time((1920, 1080), 10**7, gpu=False, grid=nano) == 40
    assert frames_at_a_time((64, 64), 10**7, gpu=False, grid=nano) == 480
