"""The places as Ray shows them, and the attempts that run there. In the gateway's process, in its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from daemon.cluster import messages as say
from daemon.cluster.carrying import Carrier, HinderedError, StoppedError
from daemon.cluster.disk_threads import HereError
from daemon.cluster.fetching import Fetching
from daemon.cluster.head import LABEL
from daemon.cluster.members import doorkeeper
from daemon.cluster.slot import GROUPS, GpuSlot, Workbench, fault_of, rested
from seedvr2.errors import MediaError
from seedvr2.trouble import MACHINE_TROUBLE

log = logging.getLogger(__name__)
LOOK_S = 1.0
# A slot that was started may have to wait for a GPU that somebody else holds.
HELLO_S = 60.0
# Until a slot that could not be started is tried again, each time twice as long.
FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0
# Between two questions to a place that has nothing to do: its memory may be taken by others.
FACTS_S = 30.0
FACTS = ("gpu_index", "kind", "vram_mb", "free_mb", "engine", "models", "vae", "fetches", "shared")
# For a place to remove what there is of an attempt.
CLEAR_S = 10.0
_STOPPED = {"fault": {"kind": "Cancelled", "message": "It was stopped on its way."}}
# What Ray calls the machine that it was started on first.
HEAD_NODE = "node:__internal_head__"


@dataclass(slots=True)
class _Bay:
    """One place: what is known of it, and the slot that is there."""

    place: say.Place
    node: str
    # Why it gets no work, whatever it could do.
    unlisted: str = ""
    slot: Any = None
    stale: bool = False
    used: float = field(default_factory=time.monotonic)
    asked: float = 0.0
    tries: int = 0
    resting_until: float = 0.0
    busy: bool = False
    opening: bool = False


class Floor:
    """Sees places come and go, and has orders carried out there.

    Args:
        send: to the service. make: what does the work in a slot.
    """

    def __init__(
        self,
        send: Callable[[say.FromGateway], None],
        make: Callable[[Mapping[str, Any]], Workbench],
        setup: say.Setup,
    ) -> None:
        self._send = send
        self._make = make
        self._setup = setup
        self._bays: dict[str, _Bay] = {}
        self._attempts: dict[str, _Bay] = {}
        self._last: dict[str, say.Progress] = {}
        self._carrier = Carrier(send)
        self._tasks: set[asyncio.Task[None]] = set()
        self._fetching = Fetching(send)
        # No CPU is asked for: a GPU is what there is one of.
        options = {"num_cpus": 0, "num_gpus": 1, "max_restarts": 0, "max_task_retries": 0}
        self._class = ray.remote(**options, concurrency_groups=GROUPS)(GpuSlot)

    def take(self, message: Any) -> None:
        """Do what the service says."""
        match message:
            case say.Run():
                self._begin(message)
            case say.Cancel(attempt=attempt):
                bay = self._attempts.get(attempt)
                if bay is not None and not self._carrier.stop(attempt) and bay.slot is not None:
                    bay.slot.cancel.remote(attempt)
            case say.Kill(place=place, why=why):
                if place in self._bays:
                    log.warning("what runs at %s is ended: %s", place, why)
                    self._drop(self._bays[place])
            case say.Rest():
                for bay in self._bays.values():
                    self._give_back(bay)
            case say.Fetch():
                self._fetch(message)
            case say.StopFetch(number=number):
                self._fetching.stop(number)
            case say.LookAgain():
                self._look_again(lambda place: place.here)

    async def look_around(self) -> None:
        """Look who is there, for ever."""
        while True:
            nodes = await asyncio.to_thread(ray.nodes)
            why_not = await asyncio.to_thread(doorkeeper, self._setup.listed)
            self._see([node for node in nodes if node["Alive"]], why_not)
            for bay in list(self._bays.values()):
                self._look_at(bay)
            await asyncio.sleep(LOOK_S)

    # -- places -------------------------------------------------------------------------------------------

    def _see(self, nodes: list[dict[str, Any]], why_not: Callable[[str], str]) -> None:
        there = {place.id: (place, node) for node, name in named(nodes) for place in _places_of(node, name)}
        for name in [name for name in self._bays if name not in there]:
            bay = self._bays.pop(name)
            bay.slot = None
            self._send(say.Gone(name, f"{bay.place.machine} does not answer any more"))
        for name, (place, node) in there.items():
            known, owner, own = self._bays.get(name), str(node["NodeID"]), HEAD_NODE in node["Resources"]
            if known is None:
                # In an existing Ray nobody knows on which of its machines the service is.
                here = own and self._setup.mode != "join"
                known = self._bays[name] = _Bay(replace(place, state="loading", here=here), owner)
            elif known.node != owner:
                # The machine was started anew between two looks.
                self._drop(known)
                known.node = owner
            unlisted = "" if own else why_not(str(node["Labels"].get(LABEL, "")))
            if unlisted != known.unlisted:
                if unlisted:
                    log.warning("%s: %s", name, unlisted)
                # What it is at work on it may finish.
                known.unlisted = unlisted
                self._tell(known, state="loading" if not known.place.unit else known.place.state, why="")

    def _look_at(self, bay: _Bay) -> None:
        now = time.monotonic()
        if bay.busy and bay.slot is not None and (bay.stale or now - bay.asked >= FACTS_S):
            self._go(self._ask_models(bay, bay.slot))
        if bay.busy or bay.opening or now < bay.resting_until:
            return
        if bay.unlisted:
            self._drop(bay)
            return
        idle_s = self._setup.idle_s
        if bay.slot is not None and bay.place.model and idle_s and now - bay.used >= idle_s:
            log.info("%s has had nothing to do for %.0f s and gives its memory back", bay.place.id, idle_s)
            self._give_back(bay)
        elif bay.stale or not (bay.slot or bay.place.kind) or (bay.slot is not None and now - bay.asked >= FACTS_S):
            self._go(self._ask(bay))

    async def _ask(self, bay: _Bay) -> None:
        """Find out what a place is and has; start its slot for that."""
        bay.opening, bay.stale = True, False
        try:
            slot = bay.slot or self._open(bay)
            facts = await asyncio.wait_for(_answer(slot.hello.remote()), HELLO_S)
        except TimeoutError:
            self._refuse(bay, "suspect", "its GPU is not free, or it does not answer")
        except RayError as error:
            self._refuse(bay, "refused", _first_line(error))
        else:
            if facts["why"]:
                self._refuse(bay, "refused", facts["why"])
                return
            bay.asked, bay.tries = time.monotonic(), 0
            known = {name: facts[name] for name in FACTS}
            self._tell(bay, **known, model=facts["model"], state="idle", why="")
        finally:
            bay.opening = False

    def _open(self, bay: _Bay) -> Any:
        here = NodeAffinitySchedulingStrategy(bay.node, soft=False)
        # Other machines have settings of their own, and their own folders of models.
        setup = self._setup.engine if bay.place.here else {"mark": self._setup.mark}
        setup = {**setup, "share": self._setup.share}
        bay.slot, bay.asked = self._class.options(scheduling_strategy=here).remote(self._make, setup), time.monotonic()
        return bay.slot

    def _refuse(self, bay: _Bay, state: str, why: str, pause: float = 0.0) -> None:
        log.warning("%s: %s", bay.place.id, why)
        pause = pause or min(FIRST_REST_S * 2**bay.tries, LONGEST_REST_S)
        bay.tries, bay.resting_until = min(bay.tries + 1, 30), time.monotonic() + pause
        self._drop(bay)
        # It is asked anew what it is.
        self._tell(bay, kind="", state=state, why=why, model="", unit="")

    def _give_back(self, bay: _Bay) -> None:
        if not bay.busy and not bay.opening and bay.slot is not None:
            self._drop(bay)
            self._tell(bay, model="")

    def _drop(self, bay: _Bay) -> None:
        slot, bay.slot = bay.slot, None
        if slot is not None:
            with contextlib.suppress(RayError):
                ray.kill(slot)

    def _tell(self, bay: _Bay, **changes: Any) -> None:
        place = replace(bay.place, **changes)
        if bay.unlisted and not place.unit:
            place = replace(place, kind="", state="refused", why=bay.unlisted, model="")
        if place != bay.place:
            bay.place = place
            if self._bays.get(place.id) is bay:
                self._send(say.Seen(place))

    # -- models -------------------------------------------------------------------------------------------

    def _fetch(self, fetch: say.Fetch) -> None:
        bay = next((bay for bay in self._bays.values() if bay.place.machine == fetch.machine), None)
        if bay is None:
            self._send(say.FetchEnded(fetch.number, "it is not there any more", lost=True))
            return
        if bay.unlisted:
            self._send(say.FetchEnded(fetch.number, bay.unlisted))
            return
        fetching = self._fetching.start(fetch, bay.node)

        async def and_look() -> None:
            await fetching
            self._look_again(lambda place: place.machine == fetch.machine)

        self._go(and_look())

    async def _ask_models(self, bay: _Bay, slot: Any) -> None:
        """Find out what a place has that works all the time."""
        bay.asked, bay.stale = time.monotonic(), False
        # If it does not answer, who waits for the end of the attempt learns of it.
        with contextlib.suppress(TimeoutError, RayError):
            facts = await asyncio.wait_for(_answer(slot.hello.remote()), HELLO_S)
            self._tell(bay, models=facts["models"], vae=facts["vae"])

    def _look_again(self, which: Callable[[say.Place], bool]) -> None:
        """Ask places anew what they have."""
        for bay in self._bays.values():
            if which(bay.place):
                bay.stale = True
                self._look_at(bay)

    # -- attempts -----------------------------------------------------------------------------------------

    def _begin(self, run: say.Run) -> None:
        bay = self._bays.get(run.place)
        if bay is None or bay.busy or bay.place.state != "idle":
            self._send(say.Lost(run.attempt, "the place is not there any more", begun=False))
            return
        # At once: it may be cancelled before its task has had its first turn.
        bay.busy = True
        self._attempts[run.attempt] = bay
        self._tell(bay, state="busy" if bay.place.model else "loading", unit=run.attempt)
        self._go(self._run(bay, bay.slot or self._open(bay), run))

    async def _run(self, bay: _Bay, slot: Any, run: say.Run) -> None:
        place, attempt, order, travels = bay.place, run.attempt, run.order, True
        carries = not (place.shared and (place.here or self._setup.share == "always"))
        try:
            if carries:
                order = await self._carrier.bring(slot, bay.node, place, run)
            travels = False
            said = await self._worked(bay, slot, attempt, order)
            if not place.shared:
                travels = True
                _check_machine(said)
                await self._take_over(slot, place, run, said)
            self._ended(bay, attempt, said)
        except StoppedError:
            self._ended(bay, attempt, {**_STOPPED, "model": bay.place.model})
        except HereError as error:
            self._ended(bay, attempt, {"fault": fault_of(error.error) | {"here": True}, "model": bay.place.model})
        except MediaError as error:
            self._ended(bay, attempt, {"fault": fault_of(error), "model": bay.place.model})
        except HinderedError as error:
            await self._clear(slot, attempt)
            bay.busy = False
            self._refuse(bay, "refused", str(error), LONGEST_REST_S)
            self._send(say.Lost(attempt, str(error), begun=False))
        except ActorUnavailableError as error:
            why = f"{place.machine} does not answer ({_first_line(error)})"
            self._lost(bay, attempt, "suspect", why, begun=not travels)
        except RayError as error:
            self._lost(bay, attempt, "loading", f"its process ended ({_first_line(error)})", begun=not travels)
        finally:
            del self._attempts[attempt]
            self._last.pop(attempt, None)
            # One that was ended does not hear it; its successor finds what is left.
            if carries and bay.slot is slot:
                self._go(self._clear(slot, attempt))

    async def _worked(self, bay: _Bay, slot: Any, attempt: str, order: dict[str, Any]) -> dict[str, Any]:
        telling = asyncio.create_task(self._follow(bay, slot, attempt))
        try:
            said: dict[str, Any] = await _answer(slot.run.remote(attempt, order))
        finally:
            telling.cancel()
        return said

    async def _take_over(self, slot: Any, place: say.Place, run: say.Run, said: dict[str, Any]) -> None:
        """Get what a place has made, if that is a file."""
        answer = said.get("answer")
        if answer is None or "bytes" not in answer:
            return
        # Nothing else moves meanwhile, and it is not to be taken for stuck.
        last = self._last.get(run.attempt) or say.Progress(run.attempt, "writing", 0, None, None)
        await self._carrier.fetch(slot, place, run, answer, lambda: self._send(last))

    async def _clear(self, slot: Any, attempt: str) -> None:
        """Have a place remove what there is of an attempt; what is left then goes when the next slot starts there."""
        with contextlib.suppress(RayError, TimeoutError):
            await asyncio.wait_for(_answer(slot.forget.remote(attempt)), CLEAR_S)

    def _ended(self, bay: _Bay, attempt: str, said: dict[str, Any]) -> None:
        bay.busy, bay.used = False, time.monotonic()
        fault = said.get("fault")
        if fault is not None and fault.get("device"):
            # After an error of the GPU nothing would work in that process.
            self._drop(bay)
        self._tell(bay, state="idle", unit="", model=said["model"] if bay.slot is not None else "")
        self._send(say.Done(attempt, said["answer"]) if fault is None else say.Failed(attempt, **fault))

    def _lost(self, bay: _Bay, attempt: str, state: str, why: str, *, begun: bool) -> None:
        bay.busy = False
        # A slot that is cut off would go on; what it makes is not wanted any more.
        self._drop(bay)
        self._tell(bay, kind="", state=state, why="", model="", unit="")
        self._send(say.Lost(attempt, why, begun))

    async def _follow(self, bay: _Bay, slot: Any, attempt: str) -> None:
        seen = 0
        while True:
            since = time.monotonic()
            try:
                told = await _answer(slot.told.remote(attempt, seen))
            except RayError:
                # Who waits for the end of the attempt learns of it, too.
                return
            if told is not None and told["number"] > seen:
                seen = told["number"]
                self._tell(bay, state="busy", model=told["model"])
                self._last[attempt] = say.Progress(attempt, told["stage"], told["done"], told["total"], told["share"])
                self._send(self._last[attempt])
            await asyncio.sleep(rested(since))

    def _go(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _check_machine(said: dict[str, Any]) -> None:
    """Raise HinderedError where a machine that uses its own disk alone is in trouble: no file is to blame."""
    fault = said.get("fault") or {}
    if fault.get("kind") == "MachineError" or (fault.get("kind") == "OSError" and fault["number"] in MACHINE_TROUBLE):
        raise HinderedError(f"it cannot work with its disk: {fault['message']}")


async def _answer(ref: Any) -> Any:
    return await ref


def named(nodes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Machines as Ray lists them, each with the name that it goes by: its label, or that of the host."""
    taken: set[str] = set()
    for node in nodes:
        name = str(node["Labels"].get(LABEL) or node["NodeManagerHostname"])
        name = f"{name}-{str(node['NodeID'])[:6]}" if name in taken else name
        taken.add(name)
        yield node, name


def _places_of(node: Mapping[str, Any], machine: str) -> Iterator[say.Place]:
    for number in range(int(node["Resources"].get("GPU", 0))):
        yield say.Place(f"{machine}:{number}", machine)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
