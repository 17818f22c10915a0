"""The daemon with a fast executor, to be hurt: `python -m tests.daemon.kill_target [--config FILE]`.

Everything but the engine is the real thing, the command line included. A folder of small files, named by
`FAULT_CONTROL`, says what happens to it while it runs:

    hold              a job does not write its result while this exists
    hold-end          nor does it end, once the result is written
    probe.TEXT        kill the process when it looks into a file that holds TEXT in its name or content, this often
    run.TEXT          the same when a job works on it
    clock             seconds to be added to the time of day
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from daemon import service
from daemon.__main__ import main
from daemon.engine.executor import OnProgress, Outcome, never
from daemon.jobs.job import Media
from daemon.settings.config import Config
from seedvr2.errors import Cancelled
from seedvr2.options import UpscaleOptions
from tests.daemon.executors import FakeExecutor

LOOK_S = 0.01


class Hurt(FakeExecutor):
    """Obeys the control folder; a result of its is on the disk, as the engine's are."""

    def __init__(self, control: Path) -> None:
        super().__init__(steps=3, step_s=0.004)
        self._control = control

    def probe(self, path: Path) -> Media:
        self._kill_over("probe", path)
        return super().probe(path)

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
        self._kill_over("run", source)
        self._wait_while("hold", cancelled)
        outcome = super().run(
            source,
            target,
            options,
            model=model,
            on_progress=on_progress,
            cancelled=cancelled,
            keep=keep,
            give_way=give_way,
        )
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._wait_while("hold-end", cancelled)
        return outcome

    def _wait_while(self, name: str, cancelled: Callable[[], bool]) -> None:
        while (self._control / name).exists():
            if cancelled():
                raise Cancelled("stopped")
            time.sleep(LOOK_S)

    def _kill_over(self, what: str, path: Path) -> None:
        for file in self._control.glob(f"{what}.*"):
            text = os.fsencode(file.name.partition(".")[2])
            left = int(file.read_text())
            if left and (text in os.fsencode(path.name) or text in path.read_bytes()):
                # Whole at every moment: it is read from outside.
                hidden = file.with_name(f".{file.name}")
                hidden.write_text(str(left - 1))
                hidden.replace(file)
                os.kill(os.getpid(), signal.SIGKILL)


def shift_clock(file: Path) -> None:
    """Make the time of day what `file` says that it is off by."""
    real = time.time

    def shifted() -> float:
        try:
            return real() + float(file.read_text())
        except (OSError, ValueError):
            return real()

    time.time = shifted


def run(arguments: list[str]) -> int:
    """The daemon's own command line, with another engine."""
    control = Path(os.environ.get("FAULT_CONTROL", os.devnull))
    shift_clock(control / "clock")
    real = service.Service

    def hurt(config: Config) -> service.Service:
        return real(config, Hurt(control))

    # The command line makes the service by this name, when it runs.
    setattr(service, "Service", hurt)  # noqa: B010 - a class is not assigned to
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
