"""Downloads of models: one after the other, each wanted once, going on after a restart where they were."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.engine.pull_process import MAIN, PullProcess, Step
from daemon.errors import RequestError
from daemon.store.files import write_durably
from seedvr2.catalogue.places import home, look
from seedvr2.catalogue.registry import TEXT, PublishedFile, find
from seedvr2.errors import CheckpointError
from seedvr2.nano import NAME as NANO
from seedvr2.units import gigabytes

log = logging.getLogger(__name__)
FILE = "pulls.json"
# Ended ones that are still told of.
MOST_ENDED = 20
# What fails by itself is tried again by itself, but not all the time.
AGAIN_S = 600.0
SPARE_BYTES = 64 << 20
_UNITS = {"GB": 2**30, "MB": 2**20}


@dataclass(frozen=True, slots=True)
class Pull:
    """One download. `state`: waiting, fetching, verifying, done, failed or cancelled.

    Attributes:
        number: which request this answers: a model that is given up and wanted again at once is another download.
        file: the one of its files that is on its way. done, total: its bytes; 0 in all if that is not known.
        error: why it failed, in a sentence.
    """

    name: str
    number: int = 0
    state: str = "waiting"
    file: str = ""
    done: int = 0
    total: int = 0
    error: str = ""

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in ("waiting", "fetching", "verifying")

    def as_dict(self) -> dict[str, Any]:
        """What the API says of it."""
        percent = min(self.done * 100 // self.total, 100) if self.total else 0
        return {
            "model": self.name, "state": self.state, "file": self.file or None, "done_bytes": self.done,
            "total_bytes": self.total or None, "percent": 100 if self.state == "done" else percent,
            "error": self.error or None,
        }  # fmt: skip


class Pulls:
    """Thread-safe; no method waits for the network.

    Args:
        folders: of the models; what is fetched goes to the first that can be written to.
        state: the folder in which it is noted what is still to be fetched.
        tell: told of each step. main: the module that a download runs.
    """

    def __init__(self, folders: Sequence[Path], state: Path, tell: Callable[[Pull], None], *, main: str = MAIN) -> None:
        self._folders = folders
        self._file = state / FILE
        self._tell = tell
        self._main = main
        self._changed = threading.Condition()
        self._pulls: dict[str, Pull] = {}
        self._numbers = itertools.count()
        self._process: tuple[str, PullProcess] | None = None
        self._stopping = False
        self._tried: dict[str, float] = {}
        self._thread = threading.Thread(target=self._work, name="pulls", daemon=True)

    def start(self) -> None:
        """Go on with what an earlier run left, and wait for more."""
        for name in self._noted():
            log.info("the download of %s goes on", name)
            self._pulls[name] = Pull(name, next(self._numbers))
        self._thread.start()

    def stop(self) -> None:
        """Interrupt the present download, which the next start takes up."""
        with self._changed:
            self._stopping = True
            process = self._process
            self._changed.notify_all()
        if process is not None:
            process[1].end()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def all(self) -> list[Pull]:
        """Those to be done, and the last ones that ended."""
        with self._changed:
            return list(self._pulls.values())

    def of(self, name: str) -> Pull | None:
        """The download of the file `name` that is still to be done."""
        with self._changed:
            pull = self._pulls.get(name)
        return pull if pull is not None and pull.open else None

    def request(self, name: str) -> Pull | None:
        """Fetch a model with what it needs; None if it is here already. A download that is on its way is answered.

        Raises:
            RequestError: there is no such model (404), or no room for it (507).
        """
        if name == NANO:
            raise RequestError(400, f"{NANO} comes with the program; there is nothing to be fetched.")
        try:
            entry = find(name)
        except CheckpointError as error:
            raise RequestError(404, str(error), detail={"field": "model"}) from error
        on_its_way = self.of(entry.name)
        if on_its_way is not None:
            return on_its_way
        if any(path.name == entry.name for path, _own in look(self._folders).files):
            return None
        self._check_room(entry)
        with self._changed:
            pull = self._pulls.get(entry.name)
            if pull is None or not pull.open:
                pull = Pull(entry.name, next(self._numbers))
                self._pulls.pop(entry.name, None)
                self._pulls[entry.name] = pull
                self._forget_old()
                self._changed.notify_all()
        self._note()
        self._tell(pull)
        return pull

    def request_embedding(self) -> None:
        """Fetch the text embedding by itself, unless that was tried lately."""
        now = time.monotonic()
        if now - self._tried.get(TEXT, -AGAIN_S) < AGAIN_S:
            return
        self._tried[TEXT] = now
        try:
            self.request(TEXT)
        except RequestError as error:
            log.warning("the text embedding cannot be fetched: %s", error)

    def cancel(self, name: str) -> Pull:
        """Give a download up; what was fetched so far is kept for another try.

        Raises:
            RequestError: there is none of that name (404).
        """
        with contextlib.suppress(CheckpointError):
            name = find(name).name
        with self._changed:
            pull = self._pulls.get(name)
            if pull is None or not pull.open:
                raise RequestError(404, f"{name} is not being fetched.")
            pull = self._pulls[name] = replace(pull, state="cancelled")
            process = self._process if self._process is not None and self._process[0] == name else None
        if process is not None:
            process[1].end()
        self._note()
        self._tell(pull)
        return pull

    # -- in its thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._next() is not None)
                pull = self._next()
                if self._stopping or pull is None:
                    return
                process = PullProcess(pull.name, self._folders, main=self._main)
                self._process = (pull.name, process)
            log.info("fetching %s", pull.name)
            try:
                error = process.run(lambda step, begun=pull: self._step(begun, step))  # type: ignore[misc]
            except OSError as problem:
                error = f"{pull.name} cannot be fetched now: {problem.strerror}."
            self._ended(pull, error)

    def _next(self) -> Pull | None:
        return next((pull for pull in self._pulls.values() if pull.open), None)

    def _step(self, begun: Pull, step: Step) -> None:
        with self._changed:
            pull = self._still(begun)
            if pull is None:
                return
            pull = replace(pull, state=step.stage, file=step.file, done=step.done, total=step.total)
            self._pulls[pull.name] = pull
        self._tell(pull)

    def _ended(self, begun: Pull, error: str) -> None:
        with self._changed:
            self._process = None
            pull = self._still(begun)
            if self._stopping or pull is None:
                return
            pull = self._pulls[pull.name] = replace(pull, state="failed" if error else "done", error=error)
        if error:
            log.error("%s", error)
        else:
            log.info("%s is here", pull.name)
        self._note()
        self._tell(pull)

    def _still(self, begun: Pull) -> Pull | None:
        """The same download as it is now, unless it was given up; the model may be wanted anew by then."""
        pull = self._pulls.get(begun.name)
        return pull if pull is not None and pull.number == begun.number and pull.open else None

    # -- what is noted ------------------------------------------------------------------------------------

    def _note(self) -> None:
        with self._changed:
            names = [pull.name for pull in self._pulls.values() if pull.open]
            try:
                write_durably(self._file, json.dumps(names).encode())
            except OSError as error:
                # It is fetched all the same, only a restart would not know of it.
                log.warning("%s cannot be written: %s", self._file, error.strerror)

    def _noted(self) -> list[str]:
        try:
            names = json.loads(self._file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return []
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def _forget_old(self) -> None:
        ended = [name for name, pull in self._pulls.items() if not pull.open]
        for name in ended[: max(len(ended) - MOST_ENDED, 0)]:
            del self._pulls[name]

    def _check_room(self, entry: PublishedFile) -> None:
        folder = home(self._folders)
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        parts = sum(part.stat().st_size for part in there.glob(f".{entry.name}.*.part")) if there == folder else 0
        needed = (entry.bytes or _bytes_of(entry.size)) - parts + SPARE_BYTES
        free = shutil.disk_usage(there).free
        if needed > free:
            raise RequestError(
                507,
                f"{entry.name} needs {gigabytes(needed)}, but the disk of the models has {gigabytes(free)} free; make "
                "room, or choose a smaller model.",
            )


def _bytes_of(size: str) -> int:
    found = re.fullmatch(r"([\d.]+)([GM]B)", size)
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0
