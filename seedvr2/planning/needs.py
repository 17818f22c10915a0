"""What networks and frames take, from the table that `count.py` wrote (`memory_table.json`)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from math import prod
from typing import Any

from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.planning.published import transformers, vaes

# The numbers of a GGUF matrix are made in pieces of so many (`checkpoint/ggml/decoding.py`).
_PIECE = 1 << 25
# While colours are corrected, per pixel and frame; `lab` is the one that takes the most (docs/performance.md).
_COLOUR = 68
Rows = Sequence[Sequence[float]]


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """The table as it is in the file."""
    text = resources.files(__package__).joinpath("memory_table.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def vae_bytes(
    config: VAEConfig, width: int, height: int, frames: int, itemsize: int, *, roomy: bool = False
) -> tuple[int, int]:
    """Peak of encoding and of decoding, beside weights and input, of frames of `width` x `height` pixels.

    `roomy` as in `VideoVAE`.
    """
    way = "roomy" if roomy else "lean"
    name, scale = _like(config, vaes(), _vae_width)
    per_pixel = [_between(table()["vae"][name][way][part], frames) * scale for part in ("encode", "decode")]
    encode, decode = (int(rate * width * height * itemsize / 2) for rate in per_pixel)
    return encode, decode


def form_bytes(config: VAEConfig, itemsize: int) -> int:
    """What is made of the VAE's weights on a device when they are used first, and stays beside them."""
    name, scale = _like(config, vaes(), _vae_width)
    return int(table()["vae"][name]["forms"] * scale**2 * itemsize / 2)


def dit_bytes(config: DiTConfig, grid: tuple[int, int, int], itemsize: int) -> int:
    """Peak of the transformer over a grid of tokens (t, h, w), beside its weights."""
    name, scale = _like(config, transformers(), _dit_width)
    return int(_between(table()["transformer"][name], grid[0]) * scale * prod(grid) * itemsize / 2)


def expansion_bytes(stored: str, numbers: int, itemsize: int, *, gated: bool) -> int:
    """What the matrices of one MLP, the largest of a block, of `numbers` numbers each, take while they are expanded."""
    matrices = 3 if gated else 2
    if stored in table()["expansion"]:
        return int(matrices * numbers * itemsize + min(numbers, _PIECE) * table()["expansion"][stored])
    return numbers * itemsize * (matrices if stored.startswith("float8") else 1)


def held_bytes(source: int, result: int, frames: int) -> int:
    """Frames that wait on the device while the networks run; `source` and `result` are pixels of one."""
    rates = table()["pixels"]
    return int(frames * (source * rates["source"] + result * rates["result"]))


def colour_bytes(result: int, frames: int) -> int:
    """What colours take beside the frames, when the networks have done with them."""
    return result * frames * _COLOUR


def _between(rows: Rows, frames: int) -> float:
    """The value at `frames`, on straight lines through the rows and beyond the last one."""
    if frames <= rows[0][0]:
        return float(rows[0][1])
    pairs = list(itertools.pairwise(rows))
    (x0, y0), (x1, y1) = next((pair for pair in pairs if frames <= pair[1][0]), pairs[-1])
    # Beyond the table what falls with the frames must not fall on: half of the last value is certain.
    return max(y0 + (y1 - y0) * (frames - x0) / (x1 - x0), y1 * 0.5)


def _like(config: Any, known: dict[str, Any], width: Any) -> tuple[str, float]:
    """The counted network that is this one, or stands for it, and how much wider this one is."""
    for name, other in known.items():
        if _shape(other) == _shape(config):
            return name, 1.0
    # A network of somebody's own: as the counted one that its width is nearest to, larger ones in proportion.
    name = min(known, key=lambda each: abs(width(known[each]) - width(config)))
    return name, max(width(config) / width(known[name]), 1.0)


def _shape(config: Any) -> Any:
    """The configuration without what does not change the memory."""
    if isinstance(config, VAEConfig):
        return replace(config, scale=1.0, groups=1, keeps_colours=False)
    return replace(config, windows=(0, 0, 0))


def _vae_width(config: VAEConfig) -> int:
    return config.widths[min(1, len(config.widths) - 1)] * (2 if config.kernel > 1 else 1)


def _dit_width(config: DiTConfig) -> int:
    return max(config.dim, config.heads * config.head_dim, config.mlp_dim // 4)
