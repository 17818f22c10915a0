"""Wherever the clock of a recording was set, all tracks are moved alike, and what belongs together stays together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from av.packet import Packet

from seedvr2.media.videos.crossing import Timed
from seedvr2.media.videos.timeline import Timeline

TICK = Fraction(1, 90_000)
PICTURE, SOUND, TEXT = 0, 1, 2
HOUR = 3600.0


def packet(track: int, time: float, *, length: float | None = None, part: int = 0) -> Timed:
    made: Packet[object] = Packet(b"x")
    made.time_base = TICK
    made.pts = made.dts = round(time / TICK)
    made.duration = round((length if length is not None else (0.04 if track == PICTURE else 0.02)) / TICK)
    return Timed(track, made, part)


def stretch(
    track: int, start: float, seconds: float, *, clock: float = 0.0, part: int = 0
) -> list[tuple[float, Timed]]:
    """Packets of a track, each with its place in the file in seconds; `clock` is added to what they say."""
    step = 0.04 if track == PICTURE else 0.02
    places = [start + index * step for index in range(round(seconds / step))]
    return [(place, packet(track, place + clock, part=part)) for place in places]


def placed(items: Iterable[tuple[float, Timed]], *, main_only: bool = False) -> tuple[dict[int, list[float]], int]:
    """The continuous times of each track, and how many joins there are."""
    timeline = Timeline(PICTURE, [] if main_only else [SOUND])
    times: dict[int, list[float]] = {}
    for item in timeline.follow(iter([item for _, item in sorted(items, key=lambda pair: pair[0])])):
        assert item is not None
        times.setdefault(item.track, []).append(
            float(item.packet.pts * TICK) if item.packet.pts is not None else float("nan")
        )
    return times, timeline.joins


def steps(times: Sequence[float]) -> set[float]:
    return {round(later - earlier, 3) for earlier, later in pairwise(times)}


@pytest.mark.parametrize("clock", [HOUR, -HOUR, 10.5, -4.0, -1.0, 26.5 * HOUR])
def test_jump_is_closed_alike_on_all_tracks(clock: float) -> None:
    parts = [*stretch(PICTURE, 5, 4), *stretch(SOUND, 5, 4)]
    parts += [*stretch(PICTURE, 9, 4, clock=clock), *stretch(SOUND, 9, 4, clock=clock)]
    times, joins = placed(parts)
    assert joins == 1
    assert steps(times[PICTURE]) == {0.04}
    assert steps(times[SOUND]) == {0.02}


def test_pause_of_a_few_seconds_stays_one() -> None:
    times, joins = placed(
        [*stretch(PICTURE, 0, 2), *stretch(SOUND, 0, 2), *stretch(PICTURE, 11, 2), *stretch(SOUND, 11, 2)]
    )
    assert joins == 0
    assert (times[PICTURE][50], times[SOUND][100]) == (11.0, 11.0)


def test_several_jumps_one_close_upon_the_other() -> None:
    parts = []
    for number, clock in enumerate((0.0, HOUR, -HOUR, 2 * HOUR, 100.0)):
        start = number * 1.0
        parts += [*stretch(PICTURE, start, 1, clock=clock), *stretch(SOUND, start, 1, clock=clock)]
    times, joins = placed(parts)
    assert joins == 4
    assert (steps(times[PICTURE]), steps(times[SOUND])) == ({0.04}, {0.02})


@pytest.mark.parametrize("lead", [0.1, 0.5, 1.5])
@pytest.mark.parametrize("clock", [HOUR, -HOUR])
@pytest.mark.parametrize("first", [SOUND, PICTURE])
def test_track_that_crosses_the_jump_first(lead: float, clock: float, first: int) -> None:
    """Multiplexers put sound and picture of one moment some way apart in the file."""
    other = SOUND + PICTURE - first
    early = [(place - lead, item) for place, item in (*stretch(first, 3, 3), *stretch(first, 6, 6, clock=clock))]
    times, joins = placed([*early, *stretch(other, 3, 3), *stretch(other, 6, 6, clock=clock)])
    assert joins == 1
    assert (steps(times[PICTURE]), steps(times[SOUND])) == ({0.04}, {0.02})


def test_uneven_ends_and_beginnings_leave_no_overlap_and_keep_the_distance() -> None:
    """The sound of the old part goes on for 0.6 s; the picture of the new one begins 0.3 s before its sound."""
    parts = [*stretch(PICTURE, 1, 2), *stretch(SOUND, 1, 2.6)]
    parts += [(place + 2.6, item) for place, item in (*stretch(PICTURE, 1, 2), *stretch(SOUND, 1.3, 2))]
    times, joins = placed(parts)
    assert joins == 1
    picture, sound = times[PICTURE][50], times[SOUND][130]
    assert sound - picture == pytest.approx(0.3, abs=1e-4)
    assert sound == pytest.approx(3.6, abs=1e-4)
    assert picture >= times[PICTURE][49] + 0.04 - 1e-4


@pytest.mark.parametrize("clock", [HOUR, -30.0])
def test_sound_that_jumps_alone_leaves_the_picture_where_it_is(clock: float) -> None:
    times, joins = placed([*stretch(PICTURE, 0, 20), *stretch(SOUND, 0, 8), *stretch(SOUND, 8, 12, clock=clock)])
    assert joins == 1
    assert (steps(times[PICTURE]), steps(times[SOUND])) == ({0.04}, {0.02})
    assert times[SOUND][-1] == pytest.approx(19.98, abs=1e-3)


def test_jump_after_the_first_packets_and_sound_that_begins_after_it() -> None:
    parts = [*stretch(PICTURE, 1, 0.12), *stretch(PICTURE, 1.12, 6, clock=HOUR), *stretch(SOUND, 1.12, 6, clock=HOUR)]
    times, _ = placed(parts)
    assert steps(times[PICTURE]) == {0.04}
    assert times[SOUND][0] == pytest.approx(times[PICTURE][3], abs=1e-4)


def test_still_picture_while_the_sound_goes_on_is_no_jump() -> None:
    times, joins = placed([*stretch(PICTURE, 0, 1), *stretch(PICTURE, 41, 1), *stretch(SOUND, 0, 42)])
    assert joins == 0
    assert times[PICTURE][25] == 41.0


def test_slide_show_is_no_row_of_jumps() -> None:
    times, joins = placed([(20.0 * number, packet(PICTURE, 20.0 * number)) for number in range(6)], main_only=True)
    assert (joins, times[PICTURE]) == (0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0])


@pytest.mark.parametrize("wrong", [HOUR, -2.0])
def test_single_wrong_time_is_forgotten(wrong: float) -> None:
    parts = [*stretch(PICTURE, 5, 4), *stretch(SOUND, 5, 4)]
    index = next(index for index, (place, item) in enumerate(parts) if item.track == PICTURE and place >= 6)
    parts[index] = (parts[index][0], packet(PICTURE, parts[index][0] + wrong))
    times, joins = placed(parts)
    assert joins == 0
    assert [time for number, time in enumerate(times[PICTURE]) if number != 25] == pytest.approx(
        [5 + 0.04 * number for number in range(100) if number != 25], abs=1e-4
    )


def test_last_picture_before_a_join_with_the_time_of_the_next_one() -> None:
    """As FFmpeg reads program streams."""
    last = packet(PICTURE, 3.96)
    last.packet.pts = round(HOUR / TICK)
    parts = [*stretch(PICTURE, 2, 1.96), (3.96, last), *stretch(PICTURE, 4, 2, clock=HOUR)]
    times, joins = placed([*parts, *stretch(SOUND, 2, 2), *stretch(SOUND, 4, 2, clock=HOUR)])
    assert joins == 1
    assert (times[PICTURE][50], times[SOUND][100]) == pytest.approx((4.0, 4.0), abs=1e-3)


def test_subtitles_go_with_the_part_they_are_in() -> None:
    parts = [*stretch(PICTURE, 0, 6), *stretch(SOUND, 0, 6)]
    parts += [*stretch(PICTURE, 6, 6, clock=HOUR), *stretch(SOUND, 6, 6, clock=HOUR)]
    parts += [(2.01, packet(TEXT, 2.0)), (6.005, packet(TEXT, 5.9)), (9.01, packet(TEXT, 9.0 + HOUR))]
    times, _ = placed(parts)
    assert times[TEXT] == pytest.approx([2.0, 5.9, 9.0], abs=1e-3)


def test_parts_with_other_streams_follow_each_other() -> None:
    """By one clock where they have one; without overlap where they have not."""
    for clock, starts in ((0.0, 2.0), (0.5, 2.5), (-0.2, 2.0), (HOUR, 2.0)):
        parts = [*stretch(PICTURE, 0, 2), *stretch(SOUND, 0, 2)]
        parts += [*stretch(PICTURE, 2, 2, clock=clock, part=1), *stretch(SOUND, 2, 2, clock=clock, part=1)]
        times, _ = placed(parts)
        assert (times[PICTURE][50], times[SOUND][100]) == pytest.approx((starts, starts), abs=1e-4), clock
