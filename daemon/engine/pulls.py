"""Downloads of models: one after the other, each wanted once, going on after a restart where they were."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from daemon.engine.pull import Pull, published, without_old
from daemon.engine.pull_process import MAIN, PullProcess, Step
from daemon.engine.pull_room import no_room_for
from daemon.errors import RequestError
from daemon.store.files import write_durably
from seedvr2.catalogue.places import look
from seedvr2.catalogue.registry import TEXT, find
from seedvr2.errors import CheckpointError

log = logging.getLogger(__name__)
FILE = "pulls.json"
# What fails by itself is tried again by itself, but not all the time.
AGAIN_S = 600.0


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
        entry = published(name)
        on_its_way = self.of(entry.name)
        if on_its_way is not None:
            return on_its_way
        if any(path.name == entry.name for path, _own in look(self._folders).files):
            return None
        lacking = no_room_for(entry, self._folders)
        if lacking:
            raise RequestError(507, lacking)
        with self._changed:
            pull = self._pulls.get(entry.name)
            if pull is None or not pull.open:
                pull = Pull(entry.name, next(self._numbers))
                self._pulls.pop(entry.name, None)
                self._pulls[entry.name] = pull
                self._pulls = without_old(self._pulls)
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
            error = process.run(lambda step, begun=pull: self._step(begun, step))  # type: ignore[misc]
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
