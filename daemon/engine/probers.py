"""Looks into files of strangers, in processes of their own: a decoder that crashes takes only its process with it."""

from __future__ import annotations

import errno
import logging
import os
import threading
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

from daemon.engine.call import Call, ChildGoneError
from daemon.engine.child import Child
from daemon.engine.decoding import AT_ONCE, PATIENCE_S, room
from daemon.engine.faults import as_error
from daemon.engine.messages import (
    Draw,
    DrawFrame,
    Drawn,
    Fault,
    FrameDrawn,
    LetIn,
    Looked,
    Message,
    Need,
    Probe,
    Setup,
)
from daemon.jobs.job import Media
from seedvr2.errors import MachineError, MediaError, OutOfMemoryError

log = logging.getLogger(__name__)
Question = Probe | Draw | DrawFrame
MAIN = "daemon.engine.probe_main"
# Decoders leak; a new process is there in a quarter of a second.
MOST_PROBES = 500
LINGER_S = 300.0
START_S = 60.0
PROBE_S = 60.0
_TRIES = 2
_KILL = 9
# Who waits for a disk takes next to nothing of the processor, and who computes gets this share of it even under load.
_BUSY = 10


class Probers:
    """At most two processes, kept for the next file. Thread-safe."""

    def __init__(self, setup: Setup, *, main: str = MAIN) -> None:
        self._setup = setup
        self._main = main
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._idle: list[tuple[Child, int]] = []

    def probe(self, path: Path) -> Media:
        """What `path` is. Errors as `Executor.probe`; a file over which the process ends twice is a MediaError."""
        found = self._ask(path, lambda id: Probe(id, str(path)))
        if not isinstance(found, Looked):
            raise _unexpected(found)
        return Media(
            kind=found.kind,
            width=found.width,
            height=found.height,
            frames=found.frames,
            fps=found.fps,
            duration_s=found.duration_s,
            incomplete=found.incomplete,
            formats=tuple(found.formats),
            bit_depth=found.bit_depth,
            alpha=found.alpha,
        )

    def draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        """A small picture of `path`. Errors as of `probe`."""
        made = self._ask(path, lambda id: Draw(id, str(path), kind, *size))
        if not isinstance(made, Drawn):
            raise _unexpected(made)
        return b64decode(made.picture) if made.picture is not None else None

    def draw_frame(self, path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
        """One frame of `path` as a PNG at `target`. Errors as of `probe`."""
        made = self._ask(path, lambda id: DrawFrame(id, str(path), at, *size, str(target)))
        if not isinstance(made, FrameDrawn):
            raise _unexpected(made)

    def end(self) -> None:
        """End the processes that do nothing at the moment."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child, _ in idle:
            child.end()

    def _ask(self, path: Path, question: Callable[[int], Question]) -> Message:
        if not self._places.acquire(timeout=PATIENCE_S):
            raise OutOfMemoryError(f"Too many large files are being read to look into {path.name}; try again soon.")
        try:
            return self._ask_twice(path, question)
        finally:
            self._places.release()

    def _ask_twice(self, path: Path, question: Callable[[int], Question]) -> Message:
        for _ in range(_TRIES):
            child, done = self._take()
            try:
                return self._converse(child, path, question)
            except ChildGoneError as gone:
                log.warning("%s: the process that looked into it is gone: %s", path.name, gone)
                ended = child
            finally:
                self._put_back(child, done + 1)
        if ended.signal == _KILL:
            raise OutOfMemoryError(f"The system ended the process that looked into {path.name}: memory is short.")
        raise MediaError(
            f"{path.name} ends the program that reads it ({ended.why}); it is damaged, or made to do that."
        )

    def _converse(self, child: Child, path: Path, question: Callable[[int], Question]) -> Message:
        with child.call() as call:
            call.send(question(call.id))
            need = self._answer(child, call, path)
            if not isinstance(need, Need):
                raise _unexpected(need)
            with room(path.name, need.size):
                call.send(LetIn(call.id))
                return self._answer(child, call, path)

    def _answer(self, child: Child, call: Call, path: Path) -> Message:
        before = _seconds_of_work(child.pid)
        answer = call.next(PROBE_S)
        if isinstance(answer, Fault):
            raise as_error(answer)
        if answer is not None:
            return answer
        # Whether it was busy with what is in the file, or waited for a disk, its own clock tells.
        worked = _seconds_of_work(child.pid) - before
        child.kill("it took too long")
        if worked > PROBE_S / _BUSY:
            raise MediaError(f"{path.name} cannot be used: its beginning is not decoded within {PROBE_S:.0f} s.")
        sentence = f"{path.name} could not be read within {PROBE_S:.0f} s; its disk may be gone."
        raise MachineError(sentence, errno.ETIMEDOUT)

    def _take(self) -> tuple[Child, int]:
        with self._lock:
            while self._idle:
                child, done = self._idle.pop()
                if child.alive:
                    return child, done
        child = Child(self._main, self._setup, {}, LINGER_S, "files")
        ready = child.wait_ready(START_S)
        if ready and child.alive:
            return child, 0
        child.kill("it did not get ready")
        if child.fault is not None:
            raise as_error(child.fault)
        raise MachineError(f"The process that looks into files cannot be started: {child.why}.", errno.EAGAIN)

    def _put_back(self, child: Child, done: int) -> None:
        if done >= MOST_PROBES:
            child.end()
        elif child.alive:
            with self._lock:
                self._idle.append((child, done))


def _unexpected(answer: Message) -> MachineError:
    return MachineError(f"What looks into files answered with {type(answer).__name__}; restart the service.", 0)


def _seconds_of_work(pid: int | None) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
