"""Hashes of large files, remembered by size and time of change, so that asking again costs nothing.

They are remembered beside the files; those of files in another program's folders in this user's cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock

MEMORY = ".verified.json"
# Folders that other programs fill: nothing is written there.
_FOREIGN = ("diffusion_models", "unet", "snapshots", "custom_nodes")
_FOREIGN_PAIRS = (("models", "seedvr2"), ("models", "vae"))
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


def memory_of(path: Path) -> tuple[Path, str]:
    """The file in which the hash of `path` is remembered, and the name that it has there."""
    parts = tuple(part.lower() for part in path.absolute().parts[:-1])
    if not any(part in _FOREIGN for part in parts) and parts[-2:] not in _FOREIGN_PAIRS:
        return path.parent / MEMORY, path.name
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "seedvr2d" / MEMORY.removeprefix("."), str(path.absolute())


def known_sha256(path: Path) -> str | None:
    """The hash that was found for this file as it is now; None if it was never computed or has changed since."""
    memory, name = memory_of(path)
    entry = _read(memory).get(name)
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
    memory, own_name = memory_of(path)
    with _lock:
        entries = {name: entry for name, entry in _read(memory).items() if (memory.parent / name).exists()}
        entries[own_name] = {"stamp": _stamp(path), "sha256": sha256}
        part = memory.with_name(f"{memory.name}.{os.getpid()}")
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            part.replace(memory)
        except OSError:
            # Where nothing can be written there still are models that can be used.
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(memory: Path) -> dict[str, object]:
    try:
        entries = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}
