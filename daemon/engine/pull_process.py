"""One download of a model, in a process of its own: what it needs, PyTorch among it, is never in the service."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.engine.child import ROOT

MAIN = "seedvr2.catalogue.pull_main"
END_S = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """How far a file is: its name, `fetching` or `verifying`, the bytes done and in all (0 if that is not known)."""

    file: str
    stage: str
    done: int
    total: int


class PullProcess:
    """Runs at once in the thread that calls `run`; `end` may come from any.

    Args:
        main: the module that the process runs.
    """

    def __init__(self, name: str, folders: Sequence[Path], *, main: str = MAIN) -> None:
        self._words = [name, *map(str, folders)]
        self._main = main
        self._lock = threading.Lock()
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, on_step: Callable[[Step], None]) -> str:
        """Fetch; answers why it failed, in a sentence, or nothing."""
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._lock:
            if self._ended:
                return ""
            try:
                self._process = process = subprocess.Popen(
                    [sys.executable, "-P", "-m", self._main, *self._words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                    # Ctrl-C is for the service, which ends its children in order.
                    start_new_session=True,
                )
            except OSError as error:
                return f"{self._words[0]} cannot be fetched now: {error.strerror}."
        last: dict[str, Any] = {}
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                last = _object(line)
                if "stage" in last:
                    on_step(Step(str(last["file"]), str(last["stage"]), int(last["done"]), int(last["total"])))
        if "paths" in last or self._ended:
            return ""
        return str(last.get("error") or f"The download ended unexpectedly (status {process.returncode}); try it again.")

    def end(self) -> None:
        """End it; what was fetched so far waits for the next try."""
        with self._lock:
            self._ended = True
            process = self._process
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
            return
        process.kill()


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
