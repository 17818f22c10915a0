"""What an upscale answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UpscaleResult:
    """What one upscale gave.

    Attributes:
        path: the finished file. model: the name of the model that ran.
        width, height: of the result, in pixels. frames: in the result.
        seconds: of work, loading the model left out.
        tiled: whether the VAE ran in tiles. warnings: sentences about what could not be kept.
    """

    path: Path
    model: str
    width: int
    height: int
    frames: int
    seconds: float
    tiled: bool
    warnings: tuple[str, ...] = ()
