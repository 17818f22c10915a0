"""Is there a file, is there a folder? Where the system refuses to say, there is none that could be used."""

from __future__ import annotations

from pathlib import Path


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder, as far as can be seen."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether `path` is a file, as far as can be seen."""
    try:
        return path.is_file()
    except OSError:
        return False
