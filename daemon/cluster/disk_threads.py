"""Slow calls of the gateway in threads, beside its event loop: reading, writing, hashing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

T = TypeVar("T")
# Between two words about something that is waited for.
TELL_S = 0.5


class HereError(Exception):
    """A disk of this machine refuses; the cause says how."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


async def finished(work: Callable[..., T], *arguments: Any, undo: Callable[[T], None] | None = None) -> T:
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


async def on_disk(work: Callable[..., T], *arguments: Any, undo: Callable[[T], None] | None = None) -> T:
    """What uses a disk of this machine, in a thread. Raises HereError."""
    try:
        return await finished(work, *arguments, undo=undo)
    except OSError as error:
        raise HereError(error) from error


@contextlib.asynccontextmanager
async def held(lock: asyncio.Lock | asyncio.Semaphore, report: Callable[[], None]) -> AsyncIterator[None]:
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
