"""Hashes of large files, remembered beside them by size and time of change, so that asking again costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock

MEMORY = ".verified.json"
_CHUNK = 8 << 20
_lock = Lock()


def sha256_of(path: Path, on_progress: Callable[[int, int], None] | None = None) -> str:
    """The SHA-256 of a file, in hexadecimal; `on_progress` is told bytes read and bytes in all."""
    total, done = path.stat().st_size, 0
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if on_progress:
                on_progress(done, total)
    return digest.hexdigest()


def known_sha256(path: Path) -> str | None:
    """The hash that was found for this file as it is now; None if it was never computed or has changed since."""
    entry = _read(path.parent).get(path.name)
    try:
        if not isinstance(entry, dict) or entry.get("stamp") != _stamp(path):
            return None
    except OSError:  # it went away while we looked
        return None
    found = entry.get("sha256")
    return found if isinstance(found, str) else None


def checked_sha256(path: Path, on_progress: Callable[[int, int], None] | None = None, *, fresh: bool = False) -> str:
    """The file's hash, from memory unless `fresh`; remembered for the next time."""
    known = None if fresh else known_sha256(path)
    if known:
        return known
    before = _stamp(path)
    found = sha256_of(path, on_progress)
    if _stamp(path) == before:
        remember_sha256(path, found)
    return found


def remember_sha256(path: Path, sha256: str) -> None:
    """Note the hash of a file that has just been computed."""
    with _lock:
        entries = {name: entry for name, entry in _read(path.parent).items() if (path.parent / name).exists()}
        entries[path.name] = {"stamp": _stamp(path), "sha256": sha256}
        part = path.parent / f"{MEMORY}.{os.getpid()}"
        try:
            part.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            part.replace(path.parent / MEMORY)
        except OSError:
            # A folder that cannot be written to still has models that can be used.
            part.unlink(missing_ok=True)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(folder: Path) -> dict[str, object]:
    try:
        entries = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}
