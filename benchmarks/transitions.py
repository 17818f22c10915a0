"""Clips whose cuts are known, and whatever is easily taken for a cut.

Each kind is a function from a random generator and a source of pictures to a clip and its cuts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.camera import HEIGHT, STILL, WIDTH, Camera, Frames, Pictures, Pixels, fast, moving, pick, shoot


class Clip(NamedTuple):
    """A clip (T, HEIGHT, WIDTH, 3), and the frames with which a shot begins, the first one left out.

    With `mixed` that frame shows both shots, and the next one may as well be said to begin it.
    """

    frames: Pixels
    cuts: tuple[int, ...]
    mixed: bool = False


Kind = Callable[[np.random.Generator, Pictures], Clip]


def _length(rng: np.random.Generator) -> int:
    return int(rng.integers(12, 25))


def _joined(*shots: Frames) -> Clip:
    ends = np.cumsum([len(shot) for shot in shots])
    return Clip(_finished(np.concatenate(shots)), tuple(int(end) for end in ends[:-1]))


def _one(frames: Frames) -> Clip:
    return Clip(_finished(frames), ())


def _finished(frames: Frames) -> Pixels:
    clipped: Pixels = frames.clip(0, 255).round().astype(np.uint8)
    return clipped


def _shot(rng: np.random.Generator, pictures: Pictures, camera: Camera | None = None) -> Frames:
    return shoot(rng, pick(rng, pictures), _length(rng), moving(rng) if camera is None else camera)


def _grain(rng: np.random.Generator, frames: Frames, levels: tuple[float, float] = (4, 16)) -> Frames:
    noise = rng.normal(0, rng.uniform(*levels), (*frames.shape[:3], 1)).astype(np.float32)
    return frames + noise


def _flicker(rng: np.random.Generator, frames: Frames) -> Frames:
    return frames * rng.normal(1, 0.08, (len(frames), 1, 1, 1)).astype(np.float32)


def _dark(rng: np.random.Generator, frames: Frames) -> Frames:
    return frames * np.float32(rng.uniform(0.06, 0.2)) + np.float32(4)


def _flash(rng: np.random.Generator, frames: Frames, start: int, length: int) -> Frames:
    """Light over the picture, to white, that goes within `length` frames or lasts as long."""
    lit = frames.copy()
    fading = rng.random() < 0.5
    for index in range(length):
        strength = float(rng.uniform(0.6, 1.0)) * (1 - index / length if fading else 1.0)
        lit[start + index] += (255 - lit[start + index] * 0.5) * strength
    return lit


def _barred(rng: np.random.Generator, *shots: Frames) -> list[Frames]:
    """The same black bars over all of them: above and below, or left and right."""
    axis, share = (1, 0.13) if rng.random() < 0.5 else (2, float(rng.choice((0.125, 0.34))))
    bar = round(share * shots[0].shape[axis])
    covered = [frames.swapaxes(1, axis).copy() for frames in shots]
    for frames in covered:
        frames[:, :bar] = frames[:, -bar:] = 0
    return [frames.swapaxes(1, axis) for frames in covered]


# What has cuts.


def plain_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(_shot(rng, pictures, STILL), _shot(rng, pictures, STILL))


def moving_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(_shot(rng, pictures), _shot(rng, pictures))


def fast_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(_shot(rng, pictures, fast(rng)), _shot(rng, pictures, fast(rng)))


def grainy_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(_grain(rng, _shot(rng, pictures)), _grain(rng, _shot(rng, pictures)))


def dark_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(*(_grain(rng, _dark(rng, _shot(rng, pictures)), (0.5, 2)) for _ in range(2)))


def similar_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """Two views of one place."""
    picture = pick(rng, pictures)
    half = picture.shape[1] // 2
    # Views that hardly share anything, and the second one sometimes mirrored as from the other side.
    left, right = picture[:, : half + half // 5], picture[:, half - half // 5 :]
    second = right[:, ::-1] if rng.random() < 0.3 else right
    return _joined(*(shoot(rng, np.ascontiguousarray(part), _length(rng), moving(rng)) for part in (left, second)))


def short_shot(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """A shot of a few frames between two others."""
    between = shoot(rng, pick(rng, pictures), int(rng.integers(4, 9)), moving(rng))
    return _joined(_shot(rng, pictures), between, _shot(rng, pictures))


def flickering_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(_flicker(rng, _shot(rng, pictures)), _flicker(rng, _shot(rng, pictures)))


def cut_near_flash(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """A flash two to five frames from a cut."""
    first, second = _shot(rng, pictures), _shot(rng, pictures)
    if rng.random() < 0.5:
        return _joined(_flash(rng, first, len(first) - int(rng.integers(3, 6)), 1), second)
    return _joined(first, _flash(rng, second, int(rng.integers(2, 6)), 1))


def cut_from_black(rng: np.random.Generator, pictures: Pictures) -> Clip:
    black = np.full((_length(rng), HEIGHT, WIDTH, 3), rng.uniform(0, 16), np.float32)
    shot = _shot(rng, pictures)
    return _joined(black, shot) if rng.random() < 0.5 else _joined(shot, black)


def mixed_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """A frame between shows both shots, as where frame rates were converted."""
    first, second = _shot(rng, pictures), _shot(rng, pictures)
    share = np.float32(rng.uniform(0.25, 0.75))
    clip = _joined(first, np.concatenate((share * first[-1:] + (1 - share) * second[:1], second)))
    return clip._replace(mixed=True)


def barred_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _joined(*_barred(rng, _shot(rng, pictures), _shot(rng, pictures)))


def crossed_cut(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """Shots with things that cross the view."""
    return _joined(*(_crossed(rng, pictures, _shot(rng, pictures)) for _ in range(2)))


# What has none.


def still(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(_grain(rng, shoot(rng, pick(rng, pictures), 40, STILL), (0, 6)))


def moves(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(shoot(rng, pick(rng, pictures), 40, moving(rng)))


def swings(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(shoot(rng, pick(rng, pictures), 40, fast(rng)))


def zooms(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(shoot(rng, pick(rng, pictures), 30, Camera(0, float(rng.choice((0.96, 0.97, 1.02))))))


def shakes(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(shoot(rng, pick(rng, pictures), 40, Camera(0.005, 1, float(rng.uniform(0.01, 0.04)))))


def grain(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(_grain(rng, shoot(rng, pick(rng, pictures), 40, moving(rng)), (10, 30)))


def dark_grain(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(_grain(rng, _dark(rng, shoot(rng, pick(rng, pictures), 40, moving(rng))), (1, 5)))


def barred(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(*_barred(rng, shoot(rng, pick(rng, pictures), 40, moving(rng))))


def flickers(rng: np.random.Generator, pictures: Pictures) -> Clip:
    return _one(_flicker(rng, shoot(rng, pick(rng, pictures), 40, moving(rng))))


def flashes(rng: np.random.Generator, pictures: Pictures) -> Clip:
    frames = shoot(rng, pick(rng, pictures), 40, moving(rng))
    for start in (6, 16, 28):
        frames = _flash(rng, frames, start + int(rng.integers(4)), int(rng.integers(1, 4)))
    return _one(frames)


def strobes(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """Light and dark in turns of one to three frames."""
    frames = shoot(rng, pick(rng, pictures), 40, moving(rng))
    on, off = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    lit = np.arange(40) % (on + off) < on
    return _one(np.where(lit[:, None, None, None], frames, frames * np.float32(0.15)))


def lower_third(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """A banner with text appears, and goes."""
    frames = shoot(rng, pick(rng, pictures), 40, moving(rng))
    top = HEIGHT - int(rng.integers(30, 64))
    banner = shoot(rng, pick(rng, pictures), 1, STILL)[0, top:HEIGHT]
    colour = rng.uniform(0, 255, 3).astype(np.float32)
    frames[12:30, top : HEIGHT - 8, 16:-16] = (0.8 * colour + 0.2 * banner)[: HEIGHT - 8 - top, 16:-16]
    return _one(frames)


def fades(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """Out of a scene and into another one, through black or white."""
    length = int(rng.integers(8, 25))
    out, into = (shoot(rng, pick(rng, pictures), length + 12, moving(rng)) for _ in range(2))
    ground = np.float32(rng.choice((0, 0, 255)))
    share = np.linspace(0, 1, length, dtype=np.float32)[:, None, None, None]
    out[-length:] += (ground - out[-length:]) * share
    into[:length] += (ground - into[:length]) * share[::-1]
    return _one(np.concatenate((out, np.full((int(rng.integers(1, 8)), *out.shape[1:]), ground, np.float32), into)))


def dissolves(rng: np.random.Generator, pictures: Pictures) -> Clip:
    length = int(rng.integers(8, 25))
    first, second = (shoot(rng, pick(rng, pictures), length + 12, moving(rng)) for _ in range(2))
    share = np.linspace(0, 1, length + 2, dtype=np.float32)[1:-1, None, None, None]
    mixed = first[-length:] * (1 - share) + second[:length] * share
    return _one(np.concatenate((first[:-length], mixed, second[length:])))


def crosses(rng: np.random.Generator, pictures: Pictures) -> Clip:
    """Something crosses the view close to the camera."""
    return _one(_crossed(rng, pictures, shoot(rng, pick(rng, pictures), 40, moving(rng))))


def _crossed(rng: np.random.Generator, pictures: Pictures, frames: Frames) -> Frames:
    thing = shoot(rng, pick(rng, pictures), 1, STILL)[0]
    wide, tall = int(rng.integers(60, 180)), int(rng.integers(90, 170))
    speed = float(rng.uniform(8, 40)) * float(rng.choice((-1, 1)))
    top = int(rng.integers(HEIGHT - tall))
    crossed = frames.copy()
    middle = len(frames) / 2
    for index in range(len(frames)):
        left = round(WIDTH / 2 + (index - middle) * speed - wide / 2)
        begin, end = max(left, 0), min(left + wide, WIDTH)
        if begin < end:
            crossed[index, top : top + tall, begin:end] = thing[:tall, begin - left : end - left]
    return crossed


WITH_CUTS: dict[str, Kind] = {
    "still": plain_cut,
    "moving": moving_cut,
    "fast": fast_cut,
    "grain": grainy_cut,
    "dark": dark_cut,
    "one place twice": similar_cut,
    "a shot of 4 to 8 frames": short_shot,
    "flicker": flickering_cut,
    "near a flash": cut_near_flash,
    "from or to black": cut_from_black,
    "mixed in one frame": mixed_cut,
    "between black bars": barred_cut,
    "things that cross": crossed_cut,
}
WITHOUT_CUTS: dict[str, Kind] = {
    "still, grain": still,
    "pan, zoom, shake": moves,
    "whip pan": swings,
    "zoom": zooms,
    "shake": shakes,
    "heavy grain": grain,
    "dark, grain": dark_grain,
    "between black bars": barred,
    "flicker": flickers,
    "flashes": flashes,
    "strobe": strobes,
    "lower third": lower_third,
    "fades": fades,
    "dissolve": dissolves,
    "things that cross": crosses,
}
