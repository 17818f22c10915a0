"""Main memory: what this process may still take, and what it could take at the most.

The machine's own numbers are not enough: a service manager or a container runtime limits a control group, or any
group above it, and a shell may have set limits of the process. All of them are asked, under `root`, so that tests can
make trees of their own.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = 2**62
# What a process has with nothing to do, after its libraries were loaded.
OWN = 300 << 20
_ROOT = Path("/")
# Version 1 states "no limit" as the largest number of whole pages.
_NO_LIMIT = 2**60


def available(root: Path = _ROOT) -> int:
    """Bytes that this process could take now without pushing anybody out to the swap."""
    limits = [limit - used + cache for limit, used, cache in _groups(root)]
    limits += [limit - used for limit, used in _process_limits(root)]
    return max(min(_meminfo(root, "MemAvailable"), *limits, UNLIMITED), 0)


def capacity(root: Path = _ROOT) -> int:
    """Bytes that this process could have if nothing else were running; swap counts, since it has done so far."""
    limits = [limit for limit, _, _ in _groups(root)] + [limit for limit, _ in _process_limits(root)]
    return min(_meminfo(root, "MemTotal") + _meminfo(root, "SwapTotal"), *limits, UNLIMITED)


def obtainable(root: Path = _ROOT) -> int:
    """Bytes that this process could take now at the most: what is available, and the free swap."""
    return available(root) + (0 if list(_groups(root)) else _meminfo(root, "SwapFree"))


def held(root: Path = _ROOT) -> int:
    """Bytes that this process has taken for work, and gives back: all but those that it has in any case."""
    anonymous = (line for line in _lines(root / "proc/self/status") if line.startswith("RssAnon:"))
    return max(sum(int(line.split()[1]) * 1024 for line in anonymous) - OWN, 0)


def _meminfo(root: Path, name: str) -> int:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if name.startswith("Mem") else 0


def _process_limits(root: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of the address space and of the data in it, where they are limited."""
    status = _lines(root / "proc/self/status")
    used = dict(line.split(":", 1) for line in status if line.startswith(("VmSize:", "VmData:")))
    for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY and name in used:
            yield limit, int(used[name].split()[0]) * 1024


def _groups(root: Path) -> Iterator[tuple[int, int, int]]:
    """Limit, use, and file cache (which gives way) of the process's group and of each above it, if it has a limit."""
    for folder, top, version in _memory_folders(root):
        limit_names, used_name, prefix = (
            (("memory.max", "memory.high"), "memory.current", "")
            if version == 2
            else (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_")
        )
        while True:
            limit = min(_number(folder / name) for name in limit_names)
            if limit < _NO_LIMIT:
                yield limit, min(_number(folder / used_name), limit), _file_cache(folder / "memory.stat", prefix)
            if folder == top or top not in folder.parents:
                break
            folder = folder.parent


def _memory_folders(root: Path) -> Iterator[tuple[Path, Path, int]]:
    """The process's own memory group, the top of the hierarchy that it is in, and the version of control groups."""
    groups = {}
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        groups[2 if number == "0" and not controllers else 1 if "memory" in controllers.split(",") else 0] = path
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, (kind, _, options, *_) = before.split(), (*after.split(), "", "", "")
        version = 2 if kind == "cgroup2" else 1 if kind == "cgroup" and "memory" in options.split(",") else 0
        if version and version in groups:
            mounted, top = fields[3], root / fields[4].lstrip("/")
            # Of a container that sees its own part of the tree only, the path may lead out of it.
            path = groups[version].removeprefix(mounted.rstrip("/")).lstrip("/")
            folder = top / path
            yield (folder if ".." not in path and folder.is_dir() else top), top, version


def _file_cache(path: Path, prefix: str) -> int:
    names = (f"{prefix}inactive_file", f"{prefix}active_file")
    return sum(int(line.split()[1]) for line in _lines(path) if line.split()[:1] and line.split()[0] in names)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max", or the root group, which has no such file
        return UNLIMITED


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:  # not Linux
        return []
