"""The engine's process, misbehaving on demand; the engine itself is a fast stand-in.

Files in the folder that CHILD_CONTROL names say what happens, and how often: `start.WHAT` before it is ready,
`load.WHAT` when a model is loaded, `run.WHAT` in a job, `run.WHAT.STEM` in the job of one source, `probe.WHAT.STEM`
when a file is looked into (`misbehaving_prober`). The number in the file is counted down; nothing happens at 0.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from daemon.engine import child_main, messages
from daemon.engine.executor import OnProgress, Outcome, never
from seedvr2.options import UpscaleOptions
from tests.daemon.executors import FakeExecutor

CONTROL = Path(os.environ["CHILD_CONTROL"])


def due(name: str) -> bool:
    """Whether `name` is to happen now; counts it down."""
    file = CONTROL / name
    try:
        left = int(file.read_text())
    except FileNotFoundError:
        return False
    # Whole at every moment: it is read from outside.
    hidden = file.with_name(f".{name}")
    hidden.write_text(str(max(left - 1, 0)))
    hidden.replace(file)
    return left > 0


def misbehave(when: str, *stems: str) -> None:
    """Do what is due."""
    for what, act in ACTS.items():
        for name in (f"{when}.{what}", *(f"{when}.{what}.{stem}" for stem in stems)):
            if due(name):
                act()


def _raise(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def _write(text: bytes) -> None:
    os.write(int(sys.argv[1]), text)


def _say(text: bytes) -> None:
    _write(text)
    time.sleep(60)


def _close() -> None:
    """Close the pipe and go on living, deaf to its end."""
    socket.socket(fileno=os.dup(int(sys.argv[1]))).shutdown(socket.SHUT_WR)
    time.sleep(60)


ACTS: dict[str, Callable[[], None]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "aborts": os.abort,
    "exits": lambda: os._exit(0),
    "freezes": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "hangs": lambda: time.sleep(600),
    "burns": lambda: all(time.monotonic() for _ in iter(int, 1)),
    "babbles": lambda: _say(b"Segmentation fault (core dumped)\n"),
    # In answer to whatever was asked.
    "lies": lambda: _say(b"".join(b'{"is": "Listed", "id": %d, "models": []}\n' % number for number in range(1, 20))),
    "closes": _close,
    "complains": lambda: logging.getLogger("seedvr2.odd").warning("it is\n%s", "odd"),
    "raves": lambda: _write(b'{"is": "Said", "level": "loud", "logger": "x", "text": "raving"}\n'),
    "sticky": _raise(RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might")),
    "cublas": _raise(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    "full": _raise(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")),
    "bug": _raise(ZeroDivisionError("division by zero")),
    "nodriver": _raise(RuntimeError("Found no NVIDIA driver on your system.")),
}


class StandIn(FakeExecutor):
    """What runs in the place of the engine."""

    def device(self) -> messages.DeviceReport:
        misbehave("start")
        if (CONTROL / "processor").exists():
            return messages.DeviceReport("cpu", "a reason")
        return messages.DeviceReport("cuda", name="Card", uuid="GPU-1", memory_mb=24576)

    def others_mb(self) -> int:
        return 20000 if (CONTROL / "others").exists() else 0

    def load(self, model: str) -> None:
        misbehave("load")
        super().load(model)

    def run(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        *,
        model: str,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
        keep: Path,
        give_way: Callable[[], bool] = never,
    ) -> Outcome:
        misbehave("run", source.stem)
        deaf = due("run.deaf")
        while (CONTROL / "hold").exists():
            if cancelled() and not deaf:
                break
            time.sleep(0.01)
        return super().run(
            source,
            target,
            options,
            model=model,
            on_progress=on_progress,
            cancelled=cancelled,
            keep=keep,
            give_way=give_way,
        )


if __name__ == "__main__":
    child_main.main(lambda _setup: StandIn(step_s=0.02))
