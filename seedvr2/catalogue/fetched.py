"""Which files of a folder this product fetched, noted there, so that it never removes one of somebody else's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock

NOTES = ".fetched.json"
_lock = Lock()


def note_fetched(path: Path, name: str = "") -> None:
    """Note that `path` was fetched, as it is now; `name` is its name in the catalogue if that is another.

    Raises:
        OSError: it cannot be noted.
    """
    with _lock:
        notes = {known: note for known, note in _read(path.parent).items() if (path.parent / known).exists()}
        notes[path.name] = {"stamp": _stamp(path), "name": name or path.name}
        _write(path.parent, notes)


def was_fetched(path: Path) -> bool:
    """Whether `path` is a file that was fetched, and still the same one."""
    note = _read(path.parent).get(path.name)
    try:
        return isinstance(note, dict) and note.get("stamp") == _stamp(path) and not path.is_symlink()
    except OSError:
        return False


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(folder: Path) -> dict[str, object]:
    try:
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _write(folder: Path, notes: dict[str, object]) -> None:
    part = folder / f"{NOTES}.{os.getpid()}"
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(notes, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / NOTES)
    finally:
        part.unlink(missing_ok=True)
