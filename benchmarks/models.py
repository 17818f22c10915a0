"""The folder of real-size models with random weights: outside the repository, filled with what a case asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.random_checkpoint import VAE_NAME, dit_name


def models_folder() -> Path:
    """`SEEDVR2_BENCH_MODELS`, or a folder of the user's cache."""
    return Path(os.environ.get("SEEDVR2_BENCH_MODELS") or Path.home() / ".cache" / "seedvr2d-bench")


def vae_file() -> Path:
    """The VAE, made where it is missing. Raises as `dit_file`."""
    return _made(VAE_NAME, "--vae-only")


def dit_file(params: str, precision: str) -> Path:
    """The transformer `3b` or `7b` at a precision, made where it is missing: minutes, and up to 16.5 GB.

    Raises:
        CalledProcessError: it could not be made; why was printed.
    """
    vae_file()
    return _made(dit_name(params, precision), precision, "--params", params)


def _made(name: str, *arguments: str) -> Path:
    folder = models_folder()
    if not (folder / name).exists():
        print(f"{folder / name} is being made.", file=sys.stderr)
        # In a process of its own: what it takes is not to show in the peaks of those that follow.
        command = [sys.executable, "-m", "benchmarks.random_checkpoint", str(folder), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / name
