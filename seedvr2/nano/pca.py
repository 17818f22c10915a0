"""Principal components of 4x4 blocks of photographs: the basis of nano's latents.

`python -m training.basis DIR` writes pca.json anew from photographs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

BLOCK = 4
COMPONENTS = 28
STORED = Path(__file__).with_name("pca.json")


@dataclass(frozen=True, slots=True)
class Basis:
    """`rows` (28, 4, 4, 3) as (component, y, x, colour), orthonormal; `deviations` (28,) of pixels in −1…1."""

    rows: Tensor
    deviations: Tensor


def stored_basis() -> Basis:
    """The basis that the repository ships, measured on 339 photographs."""
    stored = json.loads(STORED.read_text())
    rows = torch.tensor(stored["rows"], dtype=torch.float64)
    # The file rounds to four digits; the decoder transposes the rows, so they must be orthonormal again.
    q, r = torch.linalg.qr(rows.T)
    rows = (q * r.diagonal().sign()).T
    return Basis(rows.view(COMPONENTS, BLOCK, BLOCK, 3).float(), torch.tensor(stored["deviations"]))


def measure(blocks: Tensor) -> Basis:
    """The leading components of `blocks` (N, 48), pixels in −1…1 in the order (y, x, colour)."""
    blocks = blocks.double()
    moments = blocks.T @ blocks / len(blocks)
    values, vectors = torch.linalg.eigh(moments)
    rows = vectors.T.flip(0)[:COMPONENTS]
    return Basis(rows.view(COMPONENTS, BLOCK, BLOCK, 3), values.flip(0)[:COMPONENTS].sqrt())


def picture_blocks(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """All 4x4 blocks (N, 48) in −1…1 of a picture (H, W, 3)."""
    height, width = (edge // BLOCK * BLOCK for edge in picture.shape[:2])
    pixels = torch.from_numpy(picture[:height, :width].copy()).float() / 127.5 - 1
    tiles = pixels.view(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).transpose(1, 2)
    return tiles.reshape(-1, BLOCK * BLOCK * 3)


def write(basis: Basis, path: Path) -> None:
    """Store a basis as text, rounded to a few digits."""
    rows = [[round(value, 4) for value in row] for row in basis.rows.flatten(1).tolist()]
    deviations = [round(value, 5) for value in basis.deviations.tolist()]
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    path.write_text(f'{{"deviations": {json.dumps(deviations)},\n "rows": [\n  {lines}]}}\n')
