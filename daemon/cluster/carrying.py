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
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from daemon.cluster import messages as say
from daemon.cluster.depot import CHUNK_BYTES
from seedvr2.errors import MediaError

T = TypeVar("T")
# Chunks of a file that are on their way: one is written there, one travels, one is read here.
IN_FLIGHT = 3
# Files that travel at a time, in each direction: more would fill the store of this machine.
LANES = 6
TRIES = 3
TELL_S = 0.5
_REMEMBERED = 256


class HinderedError(Exception):
    """The machine of a place is in trouble: what is wrong with it, and what to do there, without capital and stop."""


class StoppedError(Exception):
    """It is not wanted any more."""


class HereError(Exception):
    """A disk of this machine refuses; the cause says how."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Carrier:
    """Used in one event loop. `send` is to the service; slots are handles of `GpuSlot`.

    What a slot's methods raise when its process ends or cannot be reached passes through.
    """

    def __init__(self, send: Callable[[say.FromGateway], None]) -> None:
        self._send = send
        self._digests = _Digests()
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
            size = (await _here(os.stat, source)).st_size
            if await slot.sees.remote(order["path"], size):
                return order
        report = _seldom(lambda: self._send(say.Progress(run.attempt, say.SENDING, 0, None, None)))
        changed = False
        for _ in range(TRIES):
            with await _here(_Source, source, undo=_Source.close) as file:
                sha256 = await self._digests.of(file, report)
                wanted = {"sha256": sha256, "size": file.size, "name": source.name}
                async with _held(self._passages[node, sha256], report), _held(self._there, report):
                    if await self._expected(slot, run.attempt, wanted, report):
                        return {**order, "carried": carried}
                    if await self._sent(slot, place.machine, run.attempt, file, report):
                        return {**order, "carried": carried}
                self._digests.forget(file)
                changed |= await _here(file.has_changed)
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

    async def _sent(self, slot: Any, machine: str, attempt: str, file: _Source, report: Callable[[], None]) -> bool:
        """Send all of a file; whether it is there as it was announced."""
        under_way: deque[tuple[int, Awaitable[Any]]] = deque()
        offset, whole = 0, True
        while whole and (offset < file.size or not file.size):
            report()
            chunk = await _here(file.read, offset)
            # Ray copies it before it returns, and waits where its store is full.
            under_way.append((len(chunk), await _finished(slot.add.remote, attempt, offset, chunk)))
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
        async with _held(self._back, moved):
            for _ in range(TRIES):
                descriptor = await _here(_create, target, undo=lambda made: _discard(made, target))
                whole = False
                try:
                    if await self._written(slot, place.machine, run.attempt, descriptor, size, moved) == sha256:
                        await _here(os.fsync, descriptor)
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
            await _here(_write, descriptor, chunk, digest)
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


class _Source:
    """A file that is sent, held open. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.mark = _mark(os.fstat(self._descriptor))
        self.size = self.mark[2]

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)

    def read(self, offset: int) -> bytes:
        """A chunk, or what is left of the file as large as it was."""
        wanted, pieces = min(CHUNK_BYTES, self.size - offset), []
        while wanted > 0 and (piece := os.pread(self._descriptor, wanted, offset)):
            pieces.append(piece)
            offset, wanted = offset + len(piece), wanted - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def has_changed(self) -> bool:
        """Whether it is another version by now."""
        return _mark(os.fstat(self._descriptor)) != self.mark


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class _Digests:
    """SHA-256 of files, of each version once."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ...], str] = OrderedDict()
        self._locks: defaultdict[tuple[int, ...], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, file: _Source, report: Callable[[], None]) -> str:
        """That of a file. Raises HereError."""
        async with _held(self._locks[file.mark], report):
            if file.mark not in self._known:
                digest, offset = hashlib.sha256(), 0
                while chunk := await _here(file.read, offset):
                    await _finished(digest.update, chunk)
                    offset += len(chunk)
                    report()
                self._known[file.mark] = digest.hexdigest()
            self._known.move_to_end(file.mark)
            while len(self._known) > _REMEMBERED:
                self._locks.pop(self._known.popitem(last=False)[0], None)
            return self._known[file.mark]

    def forget(self, file: _Source) -> None:
        """Compute it anew next time."""
        self._known.pop(file.mark, None)


@contextlib.asynccontextmanager
async def _held(lock: asyncio.Lock | asyncio.Semaphore, report: Callable[[], None]) -> AsyncIterator[None]:
    """As `async with lock`; tells of it as long as others are waited for, which tell themselves whether they move."""

    async def wait() -> None:
        while True:
            await asyncio.sleep(TELL_S)
            report()

    waiting = asyncio.create_task(wait())
    try:
        await lock.acquire()
    finally:
        waiting.cancel()
    try:
        yield
    finally:
        lock.release()


async def _finished(work: Callable[..., T], *arguments: Any, undo: Callable[[T], None] | None = None) -> T:
    """As `asyncio.to_thread`; a cancel waits for the thread, which may be using what is closed next.

    Args:
        undo: given what comes of it where nobody will have it.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if undo is not None and running.exception() is None:
            undo(running.result())
        raise


async def _here(work: Callable[..., T], *arguments: Any, undo: Callable[[T], None] | None = None) -> T:
    """What uses a disk of this machine, in a thread. Raises HereError."""
    try:
        return await _finished(work, *arguments, undo=undo)
    except OSError as error:
        raise HereError(error) from error


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
