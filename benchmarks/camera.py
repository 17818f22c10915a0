"""A camera that moves over photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 320, 180
Pixels = npt.NDArray[np.uint8]
Frames = npt.NDArray[np.float32]


class Pictures(Protocol):
    """Where scenes come from."""

    def __len__(self) -> int: ...

    def picture(self, index: int) -> Pixels:
        """(H, W, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class Camera:
    """How it moves over a picture: shares of its view a frame, zoom as a factor a frame."""

    pan: float = 0.0
    zoom: float = 1.0
    shake: float = 0.0


STILL = Camera()


def pick(rng: np.random.Generator, pictures: Pictures) -> Pixels:
    """A picture that is large enough to move over."""
    while True:
        picture = pictures.picture(int(rng.integers(len(pictures))))
        if picture.shape[1] >= 1.5 * WIDTH and picture.shape[0] >= 1.5 * HEIGHT:
            return picture


def shoot(rng: np.random.Generator, picture: Pixels, count: int, camera: Camera = STILL) -> Frames:
    """`count` frames of a picture, seen by a camera that turns back where the picture ends; in 0…255."""
    height, width = picture.shape[:2]
    view = float(rng.uniform(0.35, 0.6)) * min(width, height * WIDTH / HEIGHT)
    room = np.array([width - view, height - view * HEIGHT / WIDTH])
    place = rng.uniform(0, 1, 2) * room
    angle = float(rng.uniform(0, 2 * np.pi))
    step = camera.pan * view * np.array([np.cos(angle), np.sin(angle) * HEIGHT / WIDTH])
    blurred = 4 if camera.pan > 0.03 else 1
    made = []
    for index in range(count):
        size = view * camera.zoom**index
        jolt = rng.normal(0, camera.shake, 2) * view
        parts = []
        for part in range(blurred):
            middle = place + step * (index + 0.5 * part / blurred) + jolt
            # A triangular wave: there and back.
            corner = room - np.abs(middle % (2 * np.maximum(room, 1)) - room) + (view - size) / 2
            parts.append(_view(picture, corner, size))
        made.append(np.mean(parts, axis=0))
    return np.stack(made).astype(np.float32)


def _view(picture: Pixels, corner: npt.NDArray[np.float64], size: float) -> Frames:
    reach = max(size, 8.0)
    box = [corner[0], corner[1], corner[0] + reach, corner[1] + reach * HEIGHT / WIDTH]
    limits = picture.shape[1], picture.shape[0]
    for axis in range(2):
        low, high = box[axis], box[axis + 2]
        moved = max(-low, 0.0) - max(high - limits[axis], 0.0)
        box[axis], box[axis + 2] = max(low + moved, 0.0), min(high + moved, float(limits[axis]))
    image = Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=tuple(box), reducing_gap=2)
    return np.asarray(image, dtype=np.float32)


def moving(rng: np.random.Generator) -> Camera:
    """An ordinary camera."""
    return Camera(float(rng.uniform(0, 0.02)), float(rng.uniform(0.99, 1.01)), float(rng.choice((0.0, 0.002, 0.005))))


def fast(rng: np.random.Generator) -> Camera:
    """One that is swung around."""
    return Camera(float(rng.uniform(0.04, 0.12)), float(rng.uniform(0.98, 1.02)), 0.01)
