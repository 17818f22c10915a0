"""The engine's process: `python -m daemon.engine.child_main FD`, started by `child_executor.py`.

One thread computes, one listens (and ends the process when the pipe ends), one answers questions about models and plans
also while a job runs, one beats. What the engine itself shows of life is sent apart from the beats: a call into the GPU
that never comes back keeps the one and not the other.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from daemon.engine import messages as say
from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.executor import Executor, OnProgress, Outcome
from daemon.engine.faults import as_fault
from daemon.engine.local_executor import LocalExecutor
from daemon.engine.serving import FAILED, beat, connect, leave, messages, starting
from daemon.jobs.job import Media
from daemon.settings.keys import ModelSettings
from seedvr2.heap import keep_freed_blocks
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish
from seedvr2.progress import Segments

log = logging.getLogger(__name__)
PULSE_S = 0.25


class Engine(Executor, Protocol):
    """What this process runs, as `LocalExecutor` has it."""

    def device(self) -> say.DeviceReport:
        """What it computes on, once something small was computed there."""

    def join(
        self,
        source: Path,
        target: Path,
        keep: Path,
        *,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Make `target` of the segments in `keep`."""

    def others_mb(self) -> int:
        """MiB of the GPU that other programs hold, if that is much."""


def local_engine(setup: say.Setup) -> Engine:
    """The real one. Which GPU it sees has been decided in its environment."""
    settings = ModelSettings(
        default=setup.default,
        auto_download=setup.auto_download,
        device=setup.device,
        dtype=setup.dtype,
        compile=setup.compile,
        gpu="all",
    )
    memory = Path(setup.memory_file) if setup.memory_file else None
    return LocalExecutor([Path(folder) for folder in setup.models_dirs], settings, memory)


def main(make: Callable[[say.Setup], Engine] = local_engine) -> None:
    """Answer what is asked until the pipe ends."""
    # Before there are threads, whose heaps would stay as they are.
    keep_freed_blocks()
    channel, setup = connect()
    engine: Engine | None = None
    beat(channel, lambda: engine.model if engine else None)
    with starting(channel):
        engine = make(setup)
        report = engine.device()
    _Server(channel, engine).serve(report)


class _Server:
    def __init__(self, channel: Channel, engine: Engine) -> None:
        self._channel = channel
        self._engine = engine
        self._work: queue.SimpleQueue[say.Run | say.Preview | say.Join | say.Load] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[say.Resolve | say.ListModels | say.Foresee] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._giving_way: set[int] = set()

    def serve(self, report: say.DeviceReport) -> None:
        """Answer for ever: the thread that listens ends the process."""
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()
        threading.Thread(target=self._answer_questions, name="questions", daemon=True).start()
        self._channel.send(say.Ready(say.VERSION, report))
        while True:
            match self._work.get():
                case say.Load() as load:
                    with self._answering(load.id):
                        self._engine.load(load.model)
                        self._channel.send(say.Loaded(load.id, self._engine.model or load.model))
                case say.Run() as run:
                    with self._answering(run.id):
                        self._run(run)
                case say.Join() as join:
                    with self._answering(join.id):
                        self._join(join)
                case say.Preview() as preview:
                    with self._answering(preview.id):
                        self._preview(preview)

    def _listen(self) -> None:
        for message in messages(self._channel):
            match message:
                case say.Cancel(id=number):
                    self._cancelled.add(number)
                case say.GiveWay(id=number, wanted=wanted):
                    (self._giving_way.add if wanted else self._giving_way.discard)(number)
                case say.Run() | say.Preview() | say.Join() | say.Load():
                    self._work.put(message)
                case say.Resolve() | say.ListModels() | say.Foresee():
                    self._questions.put(message)
                case _:
                    log.error("no question for this process: %s", message)
                    leave(FAILED)

    def _answer_questions(self) -> None:
        while True:
            match self._questions.get():
                case say.Resolve() as question:
                    with self._answering(question.id):
                        self._channel.send(say.Resolved(question.id, self._engine.resolve(question.model)))
                case say.ListModels() as question:
                    with self._answering(question.id):
                        self._channel.send(say.Listed(question.id, self._engine.models(question.everything)))
                case say.Foresee() as question:
                    with self._answering(question.id):
                        self._channel.send(say.Foreseen(question.id, self._foresee(question)))

    def _foresee(self, asked: say.Foresee) -> dict[str, Any]:
        return self._engine.foresee(
            Media(**asked.media | {"formats": tuple(asked.media["formats"])}),
            UpscaleOptions.parse(asked.options),
            model=asked.model,
            suffix=asked.suffix,
            size=asked.size,
            timed=asked.timed,
        )

    def _preview(self, asked: say.Preview) -> None:
        shown = self._engine.preview(
            Path(asked.source),
            Path(asked.folder),
            UpscaleOptions.parse(asked.options),
            Wish.parse(asked.wish),
            model=asked.model,
            speed=asked.speed,
            cancelled=self._cancelled_of(asked.id),
        )
        self._channel.send(say.Previewed(asked.id, str(shown["model"]), shown))

    def _cancelled_of(self, number: int) -> Callable[[], bool]:
        """Whether it is not wanted any more; that it is asked shows that the engine moves."""
        pulse = _Pulse(self._channel, number)

        def cancelled() -> bool:
            pulse.beat()
            return number in self._cancelled

        return cancelled

    def _progress_of(self, number: int) -> OnProgress:
        def on_progress(
            stage: str, done: int, total: int | None, share: float | None, segments: Segments | None = None
        ) -> None:
            cut = (segments.done, segments.total, segments.border) if segments else ()
            self._channel.send(say.Progress(number, stage, done, total, share, *cut))

        return on_progress

    def _run(self, run: say.Run) -> None:
        outcome = self._engine.run(
            Path(run.source),
            Path(run.target),
            UpscaleOptions.parse(run.options),
            model=run.model,
            on_progress=self._progress_of(run.id),
            cancelled=self._cancelled_of(run.id),
            give_way=lambda: run.id in self._giving_way,
            keep=Path(run.keep),
        )
        self._finished(run.id, outcome)

    def _join(self, join: say.Join) -> None:
        outcome = self._engine.join(
            Path(join.source),
            Path(join.target),
            Path(join.keep),
            on_progress=self._progress_of(join.id),
            cancelled=self._cancelled_of(join.id),
        )
        self._finished(join.id, outcome)

    def _finished(self, number: int, outcome: Outcome) -> None:
        values = asdict(outcome) | {"warnings": list(outcome.warnings)}
        del values["places"]
        self._channel.send(say.Finished(number, **values))

    @contextlib.contextmanager
    def _answering(self, number: int) -> Iterator[None]:
        """The boundary of the process: an error is the answer. After one of the GPU nothing would work any more."""
        try:
            yield
        except ChannelClosedError:
            leave()
        except Exception as error:
            fault = as_fault(number, error)
            if fault.kind == "OutOfMemoryError":
                fault = as_fault(number, error, self._engine.others_mb())
            with contextlib.suppress(ChannelClosedError):
                self._channel.send(fault)
            if fault.device:
                leave(FAILED)


class _Pulse:
    """Tells that the engine moves, but not at each of its smallest steps."""

    def __init__(self, channel: Channel, number: int) -> None:
        self._channel = channel
        self._number = number
        self._last = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._last >= PULSE_S:
            self._last = now
            self._channel.send(say.Pulse(self._number))


if __name__ == "__main__":
    main()
