"""What a result depends on beside its source and its options: this program, the model, the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from seedvr2 import __version__
from seedvr2.catalogue.hashes import checked_sha256, sha256_of
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.network.reach import reach_in_file
from seedvr2.pipeline.sizes import Size
from seedvr2.segments.freezing import Circumstances
from seedvr2.selection import ModelFiles


def circumstances_here(
    files: ModelFiles,
    device: torch.device,
    dtype: torch.dtype,
    size: Size,
    check: Callable[[int, int], None],
) -> Circumstances:
    """Those of a job on this machine now.

    Args:
        files: of the model. size: width and height of the result.
        check: called with bytes done and in all while files are read; may raise.

    Raises:
        CheckpointError: a weight file is not what the catalogue says. OSError: it cannot be read.
    """
    return Circumstances(
        engine=f"{__version__}, torch {torch.__version__}",
        models=tuple((path.name, _hash(path, check)) for path in (files.dit, files.vae)),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        dtype=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        size=size,
        vae=reach_in_file(files.vae),
    )


def _hash(path: Path, on_progress: Callable[[int, int], None]) -> str:
    # The files that come with this program are none of a folder of models, where hashes are remembered.
    return sha256_of(path) if path in (DIT_FILE, VAE_FILE) else checked_sha256(path, on_progress)
