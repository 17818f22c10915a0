"""What a download of a model is, here or on another machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from daemon.errors import RequestError
from seedvr2.catalogue.registry import PublishedFile, find
from seedvr2.errors import CheckpointError
from seedvr2.nano import NAME as NANO

Key = TypeVar("Key")
# Ended ones that are still told of.
MOST_ENDED = 20


@dataclass(frozen=True, slots=True)
class Pull:
    """One download. `state`: waiting, fetching, verifying, done, failed or cancelled.

    Attributes:
        number: which request this answers: a model that is given up and wanted again at once is another download.
        file: the one of its files that is on its way. done, total: its bytes; 0 in all if that is not known.
        error: why it failed, in a sentence.
        machine: of the cluster, to which it goes; empty: this one.
    """

    name: str
    number: int = 0
    state: str = "waiting"
    file: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    machine: str = ""

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in ("waiting", "fetching", "verifying")

    def as_dict(self) -> dict[str, Any]:
        """What the API says of it."""
        percent = min(self.done * 100 // self.total, 100) if self.total else 0
        return {
            "model": self.name, "machine": self.machine or None, "state": self.state, "file": self.file or None,
            "done_bytes": self.done, "total_bytes": self.total or None,
            "percent": 100 if self.state == "done" else percent, "error": self.error or None,
        }  # fmt: skip


def without_old(pulls: dict[Key, Pull]) -> dict[Key, Pull]:
    """Those to be done, and the last ones that ended."""
    ended = [key for key, pull in pulls.items() if not pull.open]
    forgotten = set(ended[: max(len(ended) - MOST_ENDED, 0)])
    return {key: pull for key, pull in pulls.items() if key not in forgotten}


def published(name: str, memory_bytes: int | None = None) -> PublishedFile:
    """The file that `name` means, for a machine with so much memory for models; for this one where None.

    Raises:
        RequestError: there is no such model (404), or nothing to be fetched of it (400).
    """
    if name == NANO:
        raise RequestError(400, f"{NANO} comes with the program; there is nothing to be fetched.")
    try:
        return find(name, memory_bytes)
    except CheckpointError as error:
        raise RequestError(404, str(error), detail={"field": "model"}) from error
