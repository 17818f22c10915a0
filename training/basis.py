"""Measures the basis of nano's latents on photographs.

python -m training.basis DIR    # writes seedvr2/nano/pca.json from the photographs of a folder
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from seedvr2.nano.pca import COMPONENTS, STORED, measure, picture_blocks, write
from training.data import Photographs


def main() -> None:
    """Measure the basis on the photographs of a folder and store it."""
    photographs = Photographs(Path(sys.argv[1]), held_out=False)
    rng = np.random.default_rng(0)
    blocks = torch.cat([picture_blocks(photographs.crop(rng, 128, 128)) for _ in range(2000)])
    basis = measure(blocks)
    write(basis, STORED)
    share = basis.deviations.square().sum() / blocks.square().sum(1).mean()
    error = (1 - share) * blocks.square().mean()
    print(f"{COMPONENTS} of 48 components: {float(10 * torch.log10(4 / error)):.1f} dB")


if __name__ == "__main__":
    main()
