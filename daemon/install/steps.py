"""What an installation does, as a list that can be shown before it is done."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daemon.errors import InstallError


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and how it is said."""

    told: str
    do: Callable[[], None]


def carry_out(steps: Sequence[Step], *, dry_run: bool) -> None:
    """Say and do each step, or only say it. Raises InstallError: one is refused; what was done before stays."""
    for step in steps:
        print(f"{'would: ' if dry_run else ''}{step.told}", flush=True)
        if not dry_run:
            try:
                step.do()
            except OSError as error:
                raise InstallError(f"{error.filename or step.told}: {error.strerror}.") from error


def command(*words: str) -> Step:
    """A step that runs a program of the system."""

    def run() -> None:
        if shutil.which(words[0]) is None:
            raise InstallError(f"{words[0]} is not on this machine; run the rest of the steps by hand, or without it.")
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise InstallError(f"{' '.join(words)} failed: {ended.stderr.strip() or ended.stdout.strip()}")

    return Step(" ".join(words), run)
