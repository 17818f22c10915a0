"""What is damaged in the middle of a video costs that stretch: the rest keeps its pictures and its times."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seedvr2.media import open_source
from seedvr2.media.videos.damage import Damage
from seedvr2.media.videos.ordering import Ordered
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.segments.shots import scan
from tests.seedvr2.media.clips import NTSC, upscale, write_video
from tests.seedvr2.segments.scenes import pixels, scene

FRAMES, GOP = 96, 12
STEP = 1 / NTSC
X264 = {"preset": "veryfast", "crf": "20", "g": "12", "bf": "2"}
KINDS: dict[str, tuple[str, Mapping[str, str]]] = {
    "h264.mp4": ("libx264", X264),
    "h264.mkv": ("libx264", X264),
    "h264.ts": ("libx264", X264),
    "hevc.mp4": ("libx265", {"preset": "ultrafast", "x265-params": "keyint=12:log-level=none"}),
    "mpeg2.ts": ("mpeg2video", {"g": "12", "bf": "2", "b": "3000000"}),
    "mpeg4.avi": ("mpeg4", {"g": "12", "b": "2000000"}),
    "vp9.mkv": ("libvpx-vp9", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, frames = tmp_path_factory.mktemp("whole"), list(pixels(scene(1, FRAMES, step=1)))
    made = {}
    for name, (codec, options) in KINDS.items():
        sound = "libmp3lame" if name.endswith("avi") else "aac"
        made[name] = write_video(
            folder / name, frames, codec=codec, options=options, audio=[(sound, {})], audio_seconds=3.2
        )
    return made


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """With a stretch of zeros, of noise or of flipped bits."""
    content, length = bytearray(data), int(len(data) * chance.uniform(0.01, 0.04))
    at = int(len(data) * chance.uniform(0.3, 0.6))
    way = chance.choice(["zeros", "noise", "bits"])
    if way == "bits":
        for _ in range(20):
            content[at + chance.randrange(length)] ^= 1 << chance.randrange(8)
    else:
        content[at : at + length] = bytes(length) if way == "zeros" else chance.randbytes(length)
    return bytes(content)


Shown = list[tuple[Fraction, str]]


def shown(source: VideoSource, first: int = 0) -> Shown:
    """The time and the picture of each frame."""
    digest = hashlib.sha256
    return [
        (frame.pts * frame.time_base - source.origin, digest(frame.image).hexdigest()) for frame in source.frames(first)
    ]


def spans_in(warnings: tuple[str, ...]) -> list[tuple[float, float]]:
    found = re.findall(r"between (\d\d):(\d\d):(\d\d\.\d) and (\d\d):(\d\d):(\d\d\.\d)", " ".join(warnings))
    return [
        (int(a) * 3600 + int(b) * 60 + float(c), int(d) * 3600 + int(e) * 60 + float(f)) for a, b, c, d, e, f in found
    ]


@pytest.mark.parametrize("seed", [1, 18, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, *range(19, 50)))])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_damaged_keeps_its_pictures_and_its_times(
    whole: dict[str, Path], tmp_path: Path, kind: str, seed: int
) -> None:
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(spoilt(whole[kind].read_bytes(), random.Random(f"{kind}{seed}")))
    with open_source(whole[kind]) as source:
        assert isinstance(source, VideoSource)
        good = dict(shown(source))
    with open_source(path) as source:
        assert isinstance(source, VideoSource)
        known = scan(source)
        found = shown(source)
        warnings = source.warnings
    assert len(found) == known.frames
    times = [time for time, _ in found]
    assert times == sorted(set(times))
    if "clock of the recording" in " ".join(warnings):
        # The damage made it look as if it had been set, which is told: what follows goes on without the gap.
        assert abs(times[-1] - max(good)) <= 4 * STEP and len(found) > len(good) - 3 * GOP
        return
    # As long as the whole, within two frames: nothing behind the damage has moved.
    assert abs(times[-1] - max(good)) <= 2 * STEP and abs(times[0] - min(good)) <= 2 * STEP
    tolerance = STEP / 4
    others = [
        time for time, picture in found if not any(abs(time - at) < tolerance and picture == good[at] for at in good)
    ]
    missing = [at for at in good if not any(abs(time - at) < tolerance for time in times)]
    touched = sorted([*others, *missing])
    if touched:
        # All of it lies within the groups of pictures that the damage is in.
        assert touched[-1] - touched[0] <= 3 * GOP * STEP
    # Several frames that are missing are told of, with their times.
    if len(missing) > 2:
        begin, end = float(min(missing)), float(max(missing))
        assert any(low <= end and begin <= high for low, high in spans_in(warnings)), (warnings, begin, end)
    for low, high in spans_in(warnings):
        assert touched and low <= float(touched[-1] + 2 * STEP) and float(touched[0] - 2 * STEP) <= high, warnings


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_frames_are_the_same_each_time_wherever_reading_begins(
    whole: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"damaged.{kind}"
    for seed in range(4):
        path.write_bytes(spoilt(whole[kind].read_bytes(), random.Random(seed)))
        runs = []
        for first in (0, 0, 40, 61):
            with open_source(path) as source:
                assert isinstance(source, VideoSource)
                source.damaged = True
                runs.append((first, shown(source, first)))
        assert all(found == runs[0][1][first:] for first, found in runs)


@pytest.mark.parametrize("kind", ["h264.mp4", "h264.mkv", "mpeg4.avi"])
def test_sound_stays_in_step_behind_the_damage(whole: dict[str, Path], tmp_path: Path, kind: str) -> None:
    data = bytearray(whole[kind].read_bytes())
    at = int(len(data) * 0.45)
    data[at : at + len(data) // 25] = bytes(len(data) // 25)
    path = tmp_path / kind
    path.write_bytes(data)
    results = []
    for number, source in enumerate((whole[kind], path)):
        upscale(source, tmp_path / f"{number}.mkv")
        with open_source(tmp_path / f"{number}.mkv") as result:
            results.append(max(frame.pts * frame.time_base for frame in result.frames()))
    assert abs(results[0] - results[1]) <= 2 * STEP
    assert abs(last_sound(tmp_path / "0.mkv") - last_sound(tmp_path / "1.mkv")) < 0.05


def last_sound(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return max(
            float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.pts is not None
        )


def test_an_undamaged_video_is_decoded_on_all_cores_and_says_nothing(whole: dict[str, Path]) -> None:
    for path in whole.values():
        with open_source(path) as source:
            assert isinstance(source, VideoSource)
            found = scan(source)
            list(source.frames())
            assert not found.damaged and source.warnings == () and found.frames == FRAMES


# -- frames out of place -----------------------------------------------------------------------------------


def made(*times: int | None) -> list[Any]:
    return [SimpleNamespace(pts=time) for time in times]


def ordered(times: list[int | None], *, damaged: bool = False) -> tuple[list[int | None], int]:
    frames = Ordered(made(*times), 1, 50, lambda: damaged)
    return [frame.pts for frame in frames], frames.dropped


def test_frames_that_come_long_after_their_time_are_left_out() -> None:
    assert ordered([0, 1, 2, 30, 3, 31, 32]) == ([0, 1, 2, 30, 31, 32], 1)
    assert ordered([0, 1, 30, 2, 3, 31]) == ([0, 1, 30, 31], 2)
    # At the end nobody knows, but for damage elsewhere.
    assert ordered([0, 30, 1]) == ([0, 30, 1], 0)
    assert ordered([0, 30, 1], damaged=True) == ([0, 30], 1)


def test_a_frame_whose_time_is_far_ahead_is_left_out_where_what_follows_comes_earlier() -> None:
    assert ordered([0, 1, 900, 2, 3]) == ([0, 1, 2, 3], 1)
    assert ordered([0, 1, 900, 901, 902]) == ([0, 1, 900, 901, 902], 0)
    assert ordered([0, 1, 900]) == ([0, 1, 900], 0)


def test_a_clock_that_is_set_back_is_none_of_it() -> None:
    times = [*range(100, 140), *range(40)]
    assert ordered(list(times)) == (times, 0)
    assert ordered([5, 5, 5, None, 4, 6]) == ([5, 5, 5, None, 4, 6], 0)


# -- places ------------------------------------------------------------------------------------------------


def places(steps: list[tuple[int, int]], *, regular: bool = True) -> list[str]:
    """`steps`: time and evidence of each frame; 10 ticks are a second, and a frame."""
    damage = Damage(10, steady=True)
    for time, evidence in steps:
        damage.see(SimpleNamespace(is_corrupt=False, key_frame=True, duration=10), time, evidence)  # type: ignore[arg-type]
    return list(damage.report(Fraction(1, 10), Fraction(0), regular=regular))


def test_places_are_given_in_hours_and_tenths() -> None:
    steps = [(10 * number, 0) for number in range(3700)] + [(40 * 1000, 1), (40 * 1000 + 10, 1)]
    assert places(steps) == [
        "The damage is between 01:01:40.0 and 01:06:40.0; where frames are missing, the one before stands still."
    ]


def test_pauses_of_a_video_that_has_many_are_not_told() -> None:
    assert places([(30 * number, 0) for number in range(500)]) == []
    steps = [(10 * number + (40 if number > 250 else 0), 0) for number in range(500)]
    assert places(steps) == ["There are no frames between 00:04:11.0 and 00:04:15.0; the one before stands still."]
    assert places(steps, regular=False) == []


def test_more_than_some_places_are_counted() -> None:
    steps, time = [], 0
    for number in range(400):
        time += 10 if number % 50 else 60
        steps.append((time, number // 50))
    (told,) = places(steps)
    assert told.count("between") == 5 and ", and at 2 more places; where" in told
