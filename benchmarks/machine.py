"""What a figure depends on beside the code: the processor, versions, the commit."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From the fastest: what a processor multiplies matrices with, by its flag in /proc/cpuinfo.
_INSTRUCTIONS = (
    ("amx_bf16", "AMX"),
    ("avx512_bf16", "AVX-512 bf16"),
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
)


def machine() -> dict[str, str | int | bool]:
    """The processor (`cpu`, `cores` that this process may use, `instructions`), `torch`, `commit`, `dirty`."""
    text = _text(Path("/proc/cpuinfo"))
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(found[1].split()) if (found := re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)) else set()
    return {
        "cpu": name[1] if name else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "instructions": next((title for flag, title in _INSTRUCTIONS if flag in flags), "unknown"),
        "torch": version("torch"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def peak_mb(pid: int | str = "self") -> float:
    """Most memory that a process had resident so far, mapped files included, in MB."""
    found = re.search(r"^VmHWM:\s*(\d+) kB", _text(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def forget_peak() -> None:
    """Let `peak_mb` of this process begin anew, at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def descendants(pid: int) -> list[int]:
    """The processes that `pid` has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _text(task).split()):
            found += [child, *descendants(child)]
    return found


def others_seconds() -> float:
    """Processor time that other programs have taken since the machine started: all but this process and its children.

    Children count once they have ended and were waited for.
    """
    fields = _text(Path("/proc/stat")).partition("\n")[0].split()[1:9]
    if len(fields) < 8:
        return 0.0
    user, nice, system, _idle, _waiting, *interrupts = map(int, fields)
    busy = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])


def read_through(path: Path) -> None:
    """Bring a file into the system's memory: a disk is not what is measured."""
    with path.open("rb", buffering=0) as stream:
        while stream.read(1 << 24):
            pass


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
