from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from seedvr2.segments.detector import CONTEXT, LOOKAHEAD, ShotDetector
from seedvr2.segments.likeness import small_picture
from tests.seedvr2.segments.scenes import HEIGHT, WIDTH, Frames, pixels, scene

Pixels = NDArray[np.uint8]


def _begins(frames: Pixels) -> list[int]:
    detector = ShotDetector()
    verdicts = [verdict for frame in frames if (verdict := detector.feed(small_picture(frame))) is not None]
    assert len(verdicts) == max(len(frames) - LOOKAHEAD, 0)
    verdicts += detector.finish()
    assert len(verdicts) == len(frames)
    return [index for index, begins in enumerate(verdicts) if begins]


def _grain(frames: Frames, levels: float, seed: int = 0) -> Frames:
    noise = np.random.default_rng(seed).normal(0, levels, (*frames.shape[:3], 1))
    return frames + noise.astype(np.float32)


def _flicker(frames: Frames) -> Frames:
    return frames * np.random.default_rng(0).normal(1, 0.08, (len(frames), 1, 1, 1)).astype(np.float32)


def _faded(frames: Frames, length: int, ground: float) -> Frames:
    share = np.linspace(1, 0, length, dtype=np.float32)[:, None, None, None]
    return np.concatenate((frames[:-length], ground + (frames[-length:] - ground) * share))


def _with_banner(frames: Pixels) -> Pixels:
    frames[:, 68:] = pixels(scene(9, 1))[0, 68:]
    return frames


def _in_bars(frames: Pixels) -> Pixels:
    frames[:, :12] = frames[:, -12:] = 0
    return frames


CUTS: dict[str, tuple[Callable[[], Pixels], list[int]]] = {
    "still": (lambda: pixels(scene(1), scene(2)), [12]),
    "moving": (lambda: pixels(scene(1, step=3), scene(2, zoom=0.98)), [12]),
    "fast": (lambda: pixels(scene(1, step=12), scene(2, step=14)), [12]),
    "grain": (lambda: pixels(_grain(scene(1, step=1), 10), _grain(scene(2, step=1), 10, 1)), [12]),
    "dark": (lambda: pixels(4 + scene(1, step=1) / 8, 4 + scene(2, step=1) / 8), [12]),
    "flicker": (lambda: pixels(_flicker(scene(1)), _flicker(scene(2))), [12]),
    "two, four frames apart": (lambda: pixels(scene(1), scene(2, 4), scene(3)), [12, 16]),
    "two, two frames apart": (lambda: pixels(scene(1), scene(2, 2), scene(3)), [12, 14]),
    "a single frame": (lambda: pixels(scene(1), scene(2, 1), scene(3)), [12]),
    "from black": (lambda: pixels(np.zeros_like(scene(1)), scene(2)), [12]),
    "to black": (lambda: pixels(scene(1), np.zeros_like(scene(1))), [12]),
    "mixed in one frame": (lambda: pixels(scene(1), (0.3 * scene(1, 1) + 0.7 * scene(2, 1)), scene(2)), [12]),
    "mixed the other way": (lambda: pixels(scene(1), (0.7 * scene(1, 1) + 0.3 * scene(2, 1)), scene(2)), [13]),
    "under a banner that stays": (lambda: _with_banner(pixels(scene(1, step=1), scene(2, step=1))), [12]),
    "between black bars": (lambda: _in_bars(pixels(scene(1, step=1), scene(2, step=1))), [12]),
    "flat colours": (lambda: pixels(np.full_like(scene(1), (200, 0, 0)), np.full_like(scene(1), (0, 0, 200))), [12]),
    "near the ends": (lambda: pixels(scene(1, 2), scene(2, 6), scene(3, 2)), [2, 8]),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_shot_begins_where_another_picture_does(name: str) -> None:
    make, cuts = CUTS[name]
    assert _begins(make()) == [0, *cuts]


def _flash(length: int) -> Pixels:
    frames = scene(1, 20, step=1)
    frames[8 : 8 + length] += (255 - frames[8 : 8 + length] * 0.5) * 0.8
    return pixels(frames)


def _lower_third() -> Pixels:
    frames = scene(1, 20, step=1)
    frames[8:15, 70:84, 12:-12] = 0.3 * frames[8:15, 70:84, 12:-12] + (20, 40, 120)
    return pixels(frames)


def _dissolve() -> Pixels:
    share = np.linspace(0, 1, 16, dtype=np.float32)[:, None, None, None]
    return pixels(scene(1, 8), scene(1, 16) * (1 - share) + scene(2, 16) * share, scene(2, 8))


def _passing() -> Pixels:
    """A frame of another picture here and there, and the same one again."""
    frames = scene(1, 24, step=1)
    frames[6], frames[12:14], frames[18:21] = scene(2, 1)[0], 0, 255
    return pixels(frames)


NO_CUTS: dict[str, Callable[[], Pixels]] = {
    "still": lambda: pixels(_grain(scene(1, 20), 5)),
    "pan": lambda: pixels(scene(1, 20, step=3)),
    "whip pan": lambda: pixels(scene(1, 20, step=14)),
    "zoom": lambda: pixels(scene(1, 20, zoom=0.96)),
    "heavy grain": lambda: pixels(_grain(scene(1, 20, step=1), 30)),
    "grain in the dark": lambda: pixels(_grain(4 + scene(1, 20) / 10, 4)),
    "flicker": lambda: pixels(_flicker(scene(1, 20, step=1))),
    "a flash of one frame": lambda: _flash(1),
    "a flash of three": lambda: _flash(3),
    "frames that pass": _passing,
    "lower third": _lower_third,
    "dissolve": _dissolve,
    "fade to black": lambda: pixels(_faded(scene(1, 20), 10, 0), np.zeros_like(scene(1))),
    "fade from white": lambda: pixels(_faded(scene(1, 20), 10, 255)[::-1]),
    "nothing at all": lambda: pixels(np.zeros_like(scene(1))),
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (20, HEIGHT, WIDTH, 3), dtype=np.uint8),
    "every frame twice": lambda: pixels(scene(1, 10, step=6).repeat(2, axis=0)),
}


@pytest.mark.parametrize("name", NO_CUTS)
def test_no_shot_begins_where_only_light_camera_or_grain_change(name: str) -> None:
    assert _begins(NO_CUTS[name]()) == [0]


@pytest.mark.parametrize("count", range(LOOKAHEAD + 3))
def test_clips_of_a_few_frames(count: int) -> None:
    assert _begins(pixels(scene(1, 6))[:count]) == [0][:count]


def test_what_is_judged_anew_is_judged_alike() -> None:
    frames = pixels(scene(1, 7, step=2), scene(2, 6, step=5), scene(3, 2), scene(4, 7))
    whole = _begins(frames)
    assert whole == [0, 7, 13, 15]
    for judged in range(1, len(frames)):
        fed = max(judged - CONTEXT, 0)
        detector = ShotDetector(fed, judged, max(begin for begin in whole if begin < judged))
        fresh = [verdict for frame in frames[fed:] if (verdict := detector.feed(small_picture(frame))) is not None]
        fresh += detector.finish()
        assert [judged + at for at, begins in enumerate(fresh) if begins] == [at for at in whole if at >= judged]


def test_the_picture_may_have_any_shape_and_depth() -> None:
    frames = pixels(scene(1), scene(2))
    assert frames.shape[1:3] == (HEIGHT, WIDTH)
    deep = frames.astype(np.uint16) * 257
    alpha = np.concatenate((frames, np.full((*frames.shape[:3], 1), 255, np.uint8)), -1)
    upright = np.ascontiguousarray(frames.transpose(0, 2, 1, 3))
    for variant in (deep, alpha, upright, frames[:, ::5, ::5], frames.repeat(3, axis=1).repeat(2, axis=2)):
        assert _begins(variant) == [0, 12]
