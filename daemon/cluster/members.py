"""Which machines have been given a file to join with."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from daemon.cluster.secrets import write_secret
from daemon.errors import ClusterError

FILE = "machines.json"
# As a label of Ray takes it.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?")


def check_name(name: str) -> None:
    """Raise ClusterError if a machine cannot be called so."""
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"A machine takes a name of small letters, digits, - and ., such as studio-2, not {name!r:.60}."
        )


def machines(folder: Path) -> dict[str, float]:
    """Names, each with the time (Unix) at which it was added. Raises ClusterError."""
    try:
        entries = json.loads((folder / FILE).read_bytes())
        return {str(name): float(when) for name, when in entries.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ClusterError(f"{folder / FILE} cannot be read: {error.strerror}.") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise ClusterError(f"{folder / FILE} is damaged; move it away and add the machines again.") from error


def doorkeeper(folder: str) -> Callable[[str], str]:
    """What answers why a machine of a name gets no work, a sentence; empty where it is on the list as it is now.

    Args:
        folder: of the list; empty: there is none, and any machine gets work.
    """
    try:
        listed = machines(Path(folder)) if folder else {}
    except ClusterError as error:
        why = str(error)
        return lambda _name: why
    return lambda name: _why_not(name) if folder and name not in listed else ""


def _why_not(name: str) -> str:
    rotate = "if you do not know it, run `seedvr2d cluster rotate`, since it has the token"
    if not _NAME.fullmatch(name):
        return f"it did not join with a file of `seedvr2d cluster add`, so it gets no work; {rotate}."
    add = f"run `seedvr2d cluster add {name} > {name}.join`"
    return f"it is not on the list of machines, so it gets no work; if it belongs there, {add}, and {rotate}."


def add(folder: Path, name: str) -> None:
    """Put a machine on the list. Raises ClusterError."""
    _write(folder, machines(folder) | {name: round(time.time())})


def remove(folder: Path, name: str) -> None:
    """Take a machine off the list. Raises ClusterError: it is not there."""
    listed = machines(folder)
    if name not in listed:
        raise ClusterError(f"There is no machine {name!r:.60}; there are: {', '.join(sorted(listed)) or 'none'}.")
    del listed[name]
    _write(folder, listed)


def _write(folder: Path, listed: dict[str, float]) -> None:
    write_secret(folder, FILE, json.dumps(listed, indent=1).encode("ascii"))
