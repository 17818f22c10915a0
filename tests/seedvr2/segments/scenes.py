"""Scenes without photographs: soft shapes of every size and colour, the same for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 160, 90
Frames = NDArray[np.float32]


def scene(seed: int, count: int = 12, step: float = 0.0, zoom: float = 1.0) -> Frames:
    """`count` frames (HEIGHT, WIDTH, 3) in 0…255 of a camera that moves `step` pixels to the right a frame."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((2 * HEIGHT, 4 * WIDTH, 3), np.float32)
    for cells, height in ((3, 60), (8, 45), (20, 35), (50, 15)):
        coarse = rng.normal(0, height, (cells, 3 * cells, 3))
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel].astype(np.float32))
            canvas[..., channel] += np.asarray(layer.resize((4 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC))
    picture = Image.fromarray((128 + canvas).clip(0, 255).astype(np.uint8))
    frames = []
    for index in range(count):
        left, size = 20 + step * index, WIDTH * zoom**index
        box = (left, 20, left + size, 20 + size * HEIGHT / WIDTH)
        frames.append(np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=box)))
    return np.stack(frames).astype(np.float32)


def pixels(*shots: Frames) -> NDArray[np.uint8]:
    """The shots one after another, as they are stored: (T, HEIGHT, WIDTH, 3)."""
    stored: NDArray[np.uint8] = np.concatenate(shots).clip(0, 255).round().astype(np.uint8)
    return stored
