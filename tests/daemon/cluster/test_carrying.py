"""Files to a place and back, with what may go wrong on the way; Ray is stood in for by calls in this process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster import carrying
from daemon.cluster import messages as say
from daemon.cluster.carrying import Carrier, HinderedError, StoppedError
from daemon.cluster.depot import CHUNK_BYTES, Depot
from daemon.cluster.disk_threads import HereError
from daemon.cluster.incoming import CacheError, NotWholeError
from seedvr2.errors import MediaError

CONTENT = os.urandom(2 * CHUNK_BYTES + 1000)
A, B = "0a0a0a0a", "0b0b0b0b"
APART = say.Place("studio-2:0", "studio-2", shared=False)


class Reference:
    """To what a call will have answered, whether somebody waits for it or not; as Ray's."""

    def __init__(self, answer: Future[Any]) -> None:
        self._answer = answer

    def __await__(self) -> Any:
        return asyncio.wrap_future(self._answer).__await__()


class Slot:
    """What a slot has, without Ray; `spoil` changes what comes, `gate` holds it back."""

    def __init__(self, folder: Path) -> None:
        self.depot = Depot(folder, 1 << 40, 0)
        self.most = self.now = self.chunks = 0
        self.spoil: Callable[[bytes], bytes] = lambda chunk: chunk
        self.loop = asyncio.get_running_loop()
        self.gate = asyncio.Event()
        self.gate.set()
        self.why = ""
        self.seen = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self, f"do_{name}")

        def remote(*arguments: Any) -> Reference:
            # Chunks never in the thread of the loop, which has others to listen to.
            assert name != "add" or threading.current_thread() is not threading.main_thread()
            return Reference(asyncio.run_coroutine_threadsafe(method(*arguments), self.loop))

        return type("Method", (), {"remote": staticmethod(remote)})

    async def do_sees(self, _path: str, _size: int) -> bool:
        return self.seen

    async def do_expect(self, attempt: str, source: Any) -> dict[str, Any]:
        try:
            return {"here": self.depot.expect(attempt, source)}
        except CacheError as error:
            return {"why": str(error)}

    async def do_add(self, attempt: str, offset: int, chunk: bytes) -> dict[str, Any]:
        self.chunks += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await self.gate.wait()
        self.now -= 1
        try:
            self.depot.add(attempt, offset, self.spoil(chunk))
        except NotWholeError:
            return {"spoilt": True}
        return {"spoilt": False}

    async def do_read(self, attempt: str, offset: int) -> dict[str, Any]:
        await self.gate.wait()
        return {"why": self.why} if self.why else {"bytes": self.spoil(self.depot.read(attempt, offset))}


class Way:
    """A source, an order for it, and all that the service is told."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = folder / "clip.mp4", folder / "seg-00007.0a0a0a0a"
        self.source.write_bytes(CONTENT)
        self.told: list[Any] = []
        self.carrier = Carrier(self.told.append)
        self.slot = Slot(folder / "place")

    def run(self, attempt: str = A) -> say.Run:
        where = {"source": str(self.source), "path": "/srv/clip.mp4", "target": str(self.target)}
        return say.Run(attempt, APART.id, {"what": "segment", **where})

    async def bring(self, attempt: str = A, place: say.Place = APART, slot: Slot | None = None) -> dict[str, Any]:
        return await self.carrier.bring(slot or self.slot, "node", place, self.run(attempt))

    async def fetch(self, content: bytes = CONTENT) -> None:
        self.slot.depot.target(A, "seg").write_bytes(content)
        answer = {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
        await self.carrier.fetch(self.slot, APART, self.run(), answer, lambda: self.told.append("moved"))

    def carried(self, direction: str) -> int:
        return sum(each.bytes for each in self.told if isinstance(each, say.Carried) and each.direction == direction)


def go(work: Callable[[Way], Awaitable[None]], folder: Path) -> Way:
    async def main() -> Way:
        way = Way(folder)
        await work(way)
        return way

    return asyncio.run(main())


def test_a_source_goes_once_in_few_chunks_at_a_time(tmp_path: Path) -> None:
    async def work(way: Way) -> None:
        other = Slot(tmp_path / "place")
        # Two places of one machine want it at the same moment.
        one, two = await asyncio.gather(way.bring(A), way.bring(B, slot=other))
        assert one["carried"] == {"attempt": A, "source": True, "result": True}
        assert way.slot.depot.source(A).read_bytes() == other.depot.source(B).read_bytes() == CONTENT
        assert way.slot.chunks + other.chunks == 3
        assert max(way.slot.most, other.most) <= carrying.IN_FLIGHT
        assert two["carried"]["attempt"] == B

    way = go(work, tmp_path)
    assert way.carried("to") == len(CONTENT)
    assert {each.stage for each in way.told if isinstance(each, say.Progress)} == {say.SENDING}


def test_what_a_place_sees_does_not_travel(tmp_path: Path) -> None:
    async def work(way: Way) -> None:
        shared = say.Place("studio-2:0", "studio-2", shared=True)
        way.slot.seen = True
        assert "carried" not in await way.bring(place=shared)
        # Its folder of results is shared, the one of this source is not.
        way.slot.seen = False
        assert (await way.bring(place=shared))["carried"] == {"attempt": A, "source": True, "result": False}

    assert go(work, tmp_path).carried("to") == len(CONTENT)


def test_a_source_that_changed_is_sent_anew_and_one_that_always_does_is_at_fault(tmp_path: Path) -> None:
    async def once(way: Way) -> None:
        def change(chunk: bytes) -> bytes:
            way.slot.spoil = lambda chunk: chunk
            way.source.write_bytes(b"another version")
            return bytes(len(chunk))

        way.slot.spoil = change
        await way.bring()
        assert way.slot.depot.source(A).read_bytes() == b"another version"

    async def always(way: Way) -> None:
        def change(chunk: bytes) -> bytes:
            way.source.write_bytes(os.urandom(100))
            return bytes(len(chunk))

        way.slot.spoil = change
        with pytest.raises(MediaError, match=r"clip\.mp4 changes while it is sent"):
            await way.bring()

    for name, work in (("once", once), ("always", always)):
        (tmp_path / name).mkdir()
        go(work, tmp_path / name)


def test_what_arrives_damaged_each_time_is_the_machines_fault(tmp_path: Path) -> None:
    async def work(way: Way) -> None:
        way.slot.spoil = lambda chunk: bytes(len(chunk))
        with pytest.raises(HinderedError, match="arrives damaged"):
            await way.bring()
        with pytest.raises(HinderedError, match="arrives damaged"):
            await way.fetch()

    assert not go(work, tmp_path).target.exists()


def test_it_is_stopped_at_once_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async def work(way: Way) -> None:
        way.slot.gate.clear()
        going = asyncio.create_task(way.bring())
        while not way.slot.now:
            await asyncio.sleep(0.01)
        assert way.carrier.stop(A)
        with pytest.raises(StoppedError):
            await asyncio.wait_for(going, 1)
        assert not way.carrier.stop(A)
        way.slot.gate.set()
        way.slot.depot.forget(A)
        await way.bring(B)
        assert way.slot.depot.source(B).read_bytes() == CONTENT

    go(work, tmp_path)


def test_what_was_made_comes_back_whole_or_not_at_all(tmp_path: Path) -> None:
    async def work(way: Way) -> None:
        await way.fetch()
        assert way.target.read_bytes() == CONTENT
        with pytest.raises(HereError) as refused:
            await way.fetch()
        assert isinstance(refused.value.error, FileExistsError)
        way.target.unlink()
        with pytest.raises(HinderedError):
            await way.fetch(CONTENT[:-1])
        way.slot.why = "its disk fails"
        with pytest.raises(HinderedError, match="its disk fails"):
            await way.fetch()
        way.slot.why = ""
        way.slot.gate.clear()
        going = asyncio.create_task(way.fetch())
        while not way.target.exists():
            await asyncio.sleep(0.01)
        way.carrier.stop(A)
        with pytest.raises(StoppedError):
            await going
        assert not way.target.exists()

    assert go(work, tmp_path).carried("from") >= len(CONTENT)


def test_what_this_machine_cannot_read_is_no_fault_of_a_place(tmp_path: Path) -> None:
    async def work(way: Way) -> None:
        way.source.unlink()
        with pytest.raises(HereError):
            await way.bring()

    go(work, tmp_path)
