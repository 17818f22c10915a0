"""Files and folders for tests, also those that ordinary paths cannot name."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


def put(path: Path, text: str = "x") -> Path:
    """A file with this text, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@contextlib.contextmanager
def nested(top: Path, depth: int, name: str = "n") -> Iterator[int]:
    """A tree of so many folders, each in the one before; a descriptor of the lowest. It is removed afterwards."""
    top.mkdir()
    bottom = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(depth - 1):
            os.mkdir(name, dir_fd=bottom)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=bottom)
            os.close(bottom)
            bottom = inner
        yield bottom
    finally:
        os.close(bottom)
        # `shutil.rmtree` is what such a tree breaks.
        subprocess.run(["rm", "-rf", top], check=True)
