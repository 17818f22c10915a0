"""Downloads of models on other machines of the cluster: asked for here, carried out there, each wanted once.

On one machine they go one after the other. What is still to be done is noted: after a restart of the service, or of Ray
alone, it is begun anew as soon as its machine is there, and goes on where it was.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from daemon.cluster import messages as say
from daemon.cluster.gateway import Down
from daemon.engine.pull import Pull, published, without_old
from daemon.errors import RequestError
from daemon.store.files import write_durably
from seedvr2.catalogue.registry import BY_NAME, PublishedFile, find
from seedvr2.errors import CheckpointError

log = logging.getLogger(__name__)
FILE = "pulls_elsewhere.json"
MIB = 1 << 20
# Of the main memory that is free, where there is no GPU: the frames need some.
_SHARE = 0.5
_ENDLESS = 1 << 60


class RemotePulls:
    """Thread-safe; no method waits for another machine.

    Args:
        places: answers those that there are. send: to the gateway.
        state: the folder in which it is noted what is still to be fetched.
    """

    def __init__(
        self, places: Callable[[], list[say.Place]], send: Callable[[say.ToGateway], None], state: Path
    ) -> None:
        self._places = places
        self._send = send
        self._file = state / FILE
        # Told of each step; must return at once.
        self.tell: Callable[[Pull], None] = lambda _pull: None
        self._lock = threading.RLock()
        self._numbers = itertools.count()
        # What a machine is at work on, though it may be given up by now.
        self._at_work: dict[str, int] = {}
        self._pulls: dict[tuple[str, str], Pull] = {
            (machine, name): Pull(name, next(self._numbers), machine=machine) for machine, name in self._noted()
        }

    @property
    def all(self) -> list[Pull]:
        """Those to be done, and the last ones that ended."""
        with self._lock:
            return list(self._pulls.values())

    def is_here(self, machine: str) -> bool:
        """Whether that is the machine of the service, which fetches by itself."""
        return any(place.here for place in self._places() if place.machine == machine)

    def request(self, name: str, machine: str) -> tuple[str, Pull | None]:
        """Have a machine fetch a model with what it needs. One that is on its way is answered.

        Returns:
            The file that the name means there, and its download; None if it is there already.

        Raises:
            RequestError: there is no such machine or model (404), or nothing to be fetched of it (400).
        """
        places = self._on(machine)
        entry = published(name, _memory(places))
        with self._lock:
            on_its_way = self._open(name, machine)
            if on_its_way is not None:
                return on_its_way.name, on_its_way
            if any(_has(place, entry) for place in places):
                return entry.name, None
            pull = Pull(entry.name, next(self._numbers), machine=machine)
            self._pulls.pop((machine, entry.name), None)
            self._pulls = without_old({**self._pulls, (machine, entry.name): pull})
            self._changed(pull)
            self._begin(machine)
        return pull.name, pull

    def cancel(self, name: str, machine: str) -> Pull:
        """Give one up; what was fetched so far stays there for another try.

        Raises:
            RequestError: there is none of that name on that machine (404).
        """
        with self._lock:
            pull = self._open(name, machine)
            if pull is None:
                raise RequestError(404, f"{name} is not being fetched on {machine}.")
            pull = self._set(pull, state="cancelled")
            if self._at_work.get(machine) == pull.number:
                self._send(say.StopFetch(pull.number))
        return pull

    # -- in the thread of the gateway ---------------------------------------------------------------------

    def hear(self, message: say.FromGateway | Down) -> None:
        """What the gateway says."""
        with self._lock:
            match message:
                case say.Seen(place=place):
                    self._begin(place.machine)
                case say.Gone(place=place, why=why):
                    self._gone(place.rpartition(":")[0], why)
                case say.FetchStep(number=number):
                    pull = self._of(number)
                    if pull is not None:
                        self._set(pull, state=message.stage, file=message.file, done=message.done, total=message.total)
                case say.FetchEnded():
                    self._over(message)
                case Down():
                    self._down()

    def _over(self, ended: say.FetchEnded) -> None:
        pull = self._of(ended.number)
        if pull is not None and ended.error:
            lost = _gone(pull, ended.error) if ended.lost else f"On {pull.machine}: {ended.error}"
            self._set(pull, state="failed", error=lost)
        elif pull is not None:
            log.info("%s is on %s", pull.name, pull.machine)
            self._set(pull, state="done")
        for machine in [machine for machine, number in self._at_work.items() if number == ended.number]:
            del self._at_work[machine]
            self._begin(machine)

    def _gone(self, machine: str, why: str) -> None:
        if any(place.machine == machine for place in self._places()):
            return
        for pull in [pull for pull in self._pulls.values() if pull.open and pull.machine == machine]:
            self._set(pull, state="failed", error=_gone(pull, why))

    def _down(self) -> None:
        self._at_work.clear()
        for pull in [pull for pull in self._pulls.values() if pull.open]:
            self._set(pull, state="waiting", file="", done=0, total=0)

    # -- inside -------------------------------------------------------------------------------------------

    def _on(self, machine: str) -> list[say.Place]:
        places = self._places()
        found = [place for place in places if place.machine == machine]
        if not found:
            there = ", ".join(sorted({place.machine for place in places})) or "none"
            raise RequestError(
                404, f"The cluster has no machine {machine!r:.80} now; there are: {there}.", detail={"field": "machine"}
            )
        return found

    def _begin(self, machine: str) -> None:
        """Have a machine begin with what waits, if it is there and has nothing else to fetch."""
        if machine in self._at_work or all(place.machine != machine for place in self._places()):
            return
        waiting = (pull for pull in self._pulls.values() if pull.open and pull.machine == machine)
        pull = next(waiting, None)
        if pull is not None:
            self._at_work[machine] = pull.number
            self._send(say.Fetch(pull.number, machine, pull.name))

    def _of(self, number: int) -> Pull | None:
        return next((pull for pull in self._pulls.values() if pull.number == number and pull.open), None)

    def _open(self, name: str, machine: str) -> Pull | None:
        """What is on its way and meant by a name; a size means the one that much memory takes, or little."""
        with contextlib.suppress(CheckpointError):
            meant = {find(name, memory).name for memory in (0, _ENDLESS)}
            mine = (pull for pull in self._pulls.values() if pull.open and pull.machine == machine)
            return next((pull for pull in mine if pull.name in meant), None)
        return None

    def _set(self, pull: Pull, **changes: object) -> Pull:
        changed = replace(pull, **changes)  # type: ignore[arg-type]
        self._pulls[pull.machine, pull.name] = changed
        self._changed(changed)
        return changed

    def _changed(self, pull: Pull) -> None:
        if pull.error:
            log.error("%s", pull.error)
        if pull.state not in ("fetching", "verifying"):
            self._note()
        self.tell(pull)

    # -- what is noted ------------------------------------------------------------------------------------

    def _note(self) -> None:
        noted = [[pull.machine, pull.name] for pull in self._pulls.values() if pull.open]
        try:
            write_durably(self._file, json.dumps(noted).encode())
        except OSError as error:
            # It is fetched all the same, only a restart would not know of it.
            log.warning("%s cannot be written: %s", self._file, error.strerror)

    def _noted(self) -> Iterator[tuple[str, str]]:
        try:
            noted = json.loads(self._file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return
        for each in noted if isinstance(noted, list) else []:
            match each:
                case [str(machine), str(name)] if name in BY_NAME:
                    log.info("the download of %s on %s goes on when that is there", name, machine)
                    yield machine, name


def _gone(pull: Pull, why: str) -> str:
    return (
        f"The download of {pull.name} on {pull.machine} was broken off ({why}); ask for it again when that machine is "
        "there: it goes on where it was."
    )


def _has(place: say.Place, entry: PublishedFile) -> bool:
    """Whether a model is there; one that is known to be another file than the published one is not."""
    return entry.name in place.models and place.models[entry.name] in ("", entry.sha256 or place.models[entry.name])


def _memory(places: list[say.Place]) -> int:
    """Bytes that a model may take on a machine: all of its largest GPU, or a part of the main memory."""
    return max(place.vram_mb * MIB or round(place.free_mb * MIB * _SHARE) for place in places)
