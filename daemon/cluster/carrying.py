"""Files on their way between the service and a place that shares no folder with it. In the gateway's process.

The gateway alone reads and writes here, as the orders name it; a place is sent bytes and gives bytes, and asks for
nothing. What carries them is Ray's object store; of each file no more than a few chunks are in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from daemon.cluster import messages as say
from daemon.cluster.depot import CHUNK_BYTES
from daemon.cluster.disk_threads import TELL_S, finished, held, on_disk
from daemon.cluster.sending import Digests, SourceFile
from seedvr2.errors import MediaError

T = TypeVar("T")
# Chunks of a file that are on their way: one is written there, one travels, one is read here.
IN_FLIGHT = 3
# Files that travel at a time, in each direction: more would fill the store of this machine.
LANES = 6
TRIES = 3


class HinderedError(Exception):
    """The machine of a place is in trouble: what is wrong with it, and what to do there, without capital and stop."""


class StoppedError(Exception):
    """It is not wanted any more."""


class Carrier:
    """Used in one event loop. `send` is to the service; slots are handles of `GpuSlot`.

    What a slot's methods raise when its process ends or cannot be reached passes through.
    """

    def __init__(self, send: Callable[[say.FromGateway], None]) -> None:
        self._send = send
        self._digests = Digests()
        # One at a time for each machine and source.
        self._passages: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._there, self._back = asyncio.Semaphore(LANES), asyncio.Semaphore(LANES)
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._counted: Counter[tuple[str, str]] = Counter()

    def stop(self, attempt: str) -> bool:
        """Stop what travels for an attempt; whether something did."""
        task = self._under_way.get(attempt)
        return task is not None and task.cancel()

    async def bring(self, slot: Any, node: str, place: say.Place, run: say.Run) -> dict[str, Any]:
        """See to the source of an order at a place; answers the order as the place can follow it.

        Args:
            node: of the place, as Ray knows it.

        Raises:
            HinderedError, StoppedError, HereError: as their names say. MediaError: the source changes all the time.
        """
        return await self._stoppable(run.attempt, self._brought(slot, node, place, run))

    async def fetch(
        self, slot: Any, place: say.Place, run: say.Run, answer: Mapping[str, Any], moved: Callable[[], None]
    ) -> None:
        """Write what a place has made where the order wants it: whole, or nothing. Raises as `bring`.

        Args:
            answer: what the place says of it: `bytes`, `sha256`. moved: called now and then.
        """
        await self._stoppable(run.attempt, self._fetched(slot, place, run, answer, _seldom(moved)))

    async def _stoppable(self, attempt: str, work: Coroutine[Any, Any, T]) -> T:
        task: asyncio.Task[T] = asyncio.ensure_future(work)
        self._under_way[attempt] = task
        try:
            return await task
        except asyncio.CancelledError:
            raise StoppedError from None
        finally:
            del self._under_way[attempt]
            self._tell_counted()

    # -- there --------------------------------------------------------------------------------------------

    async def _brought(self, slot: Any, node: str, place: say.Place, run: say.Run) -> dict[str, Any]:
        order, carried = run.order, {"attempt": run.attempt, "source": True, "result": not place.shared}
        source = Path(order["source"])
        if place.shared:
            size = (await on_disk(os.stat, source)).st_size
            if await slot.sees.remote(order["path"], size):
                return order
        report = _seldom(lambda: self._send(say.Progress(run.attempt, say.SENDING, 0, None, None)))
        changed = False
        for _ in range(TRIES):
            with await on_disk(SourceFile, source, undo=SourceFile.close) as file:
                sha256 = await self._digests.of(file, report)
                wanted = {"sha256": sha256, "size": file.size, "name": source.name}
                async with held(self._passages[node, sha256], report), held(self._there, report):
                    if await self._expected(slot, run.attempt, wanted, report):
                        return {**order, "carried": carried}
                    if await self._sent(slot, place.machine, run.attempt, file, report):
                        return {**order, "carried": carried}
                self._digests.forget(file)
                changed |= await on_disk(file.has_changed)
        if changed:
            raise MediaError(f"{source.name} changes while it is sent; put it there anew once it is complete.")
        raise HinderedError("what is sent there arrives damaged; check its memory, its disk and the network")

    async def _expected(self, slot: Any, attempt: str, source: Mapping[str, Any], report: Callable[[], None]) -> bool:
        """Whether a place has a source already."""
        while True:
            said = _checked(await slot.expect.remote(attempt, source))
            if said["here"] is not None:
                return bool(said["here"])
            # Another service sends it.
            report()
            await asyncio.sleep(TELL_S)

    async def _sent(self, slot: Any, machine: str, attempt: str, file: SourceFile, report: Callable[[], None]) -> bool:
        """Send all of a file; whether it is there as it was announced."""
        under_way: deque[tuple[int, Awaitable[Any]]] = deque()
        offset, whole = 0, True
        while whole and (offset < file.size or not file.size):
            report()
            chunk = await on_disk(file.read, offset)
            # Ray copies it before it returns, and waits where its store is full.
            under_way.append((len(chunk), await finished(slot.add.remote, attempt, offset, chunk)))
            offset += len(chunk)
            if not chunk:
                break
            if len(under_way) >= IN_FLIGHT:
                whole = await self._landed(machine, *under_way.popleft())
        while under_way and whole:
            whole = await self._landed(machine, *under_way.popleft())
        return whole and offset == file.size

    async def _landed(self, machine: str, size: int, said: Awaitable[Any]) -> bool:
        whole = not _checked(await said)["spoilt"]
        self._count(machine, "to", size)
        return whole

    # -- back ---------------------------------------------------------------------------------------------

    async def _fetched(
        self, slot: Any, place: say.Place, run: say.Run, answer: Mapping[str, Any], moved: Callable[[], None]
    ) -> None:
        target, size, sha256 = Path(run.order["target"]), int(answer["bytes"]), str(answer["sha256"])
        async with held(self._back, moved):
            for _ in range(TRIES):
                descriptor = await on_disk(_create, target, undo=lambda made: _discard(made, target))
                whole = False
                try:
                    if await self._written(slot, place.machine, run.attempt, descriptor, size, moved) == sha256:
                        await on_disk(os.fsync, descriptor)
                        whole = True
                        return
                finally:
                    if whole:
                        os.close(descriptor)
                    else:
                        _discard(descriptor, target)
        raise HinderedError("what it has made arrives damaged; check its memory, its disk and the network")

    async def _written(
        self, slot: Any, machine: str, attempt: str, descriptor: int, size: int, moved: Callable[[], None]
    ) -> str:
        """Write what comes; answers the SHA-256 of it."""
        digest, under_way = hashlib.sha256(), deque[Awaitable[Any]]()
        offset = written = 0
        while written < size:
            while offset < size and len(under_way) < IN_FLIGHT:
                under_way.append(slot.read.remote(attempt, offset))
                offset += CHUNK_BYTES
            chunk = _checked(await under_way.popleft())["bytes"]
            if len(chunk) != min(CHUNK_BYTES, size - written):
                return ""
            await on_disk(_write, descriptor, chunk, digest)
            written += len(chunk)
            self._count(machine, "from", len(chunk))
            moved()
        return digest.hexdigest()

    # -- figures ------------------------------------------------------------------------------------------

    def _count(self, machine: str, direction: str, size: int) -> None:
        self._counted[machine, direction] += size

    def _tell_counted(self) -> None:
        counted, self._counted = self._counted, Counter()
        for (machine, direction), size in counted.items():
            self._send(say.Carried(machine, direction, size))


def _discard(descriptor: int, target: Path) -> None:
    os.close(descriptor)
    with contextlib.suppress(OSError):
        target.unlink()


def _create(target: Path) -> int:
    return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _write(descriptor: int, chunk: bytes, digest: hashlib._Hash) -> None:
    digest.update(chunk)
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _checked(said: dict[str, Any]) -> dict[str, Any]:
    """What a slot answers. Raises HinderedError: the machine is in trouble."""
    if "why" in said:
        raise HinderedError(said["why"])
    return said


def _seldom(tell: Callable[[], None]) -> Callable[[], None]:
    """`tell`, not more often than others want to know."""
    told = -TELL_S

    def now_and_then() -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_S:
            told = now
            tell()

    return now_and_then
