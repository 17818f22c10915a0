"""Runs the engine in a child process: what goes wrong in there, the driver included, costs a start and no more.

The service itself never imports torch. The child is started when something is asked that only it can answer, and ended
by `unload`: then nothing is left of it, neither in memory nor on the card.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from daemon.engine import messages as say
from daemon.engine.call import Call, ChildGoneError
from daemon.engine.child import Child
from daemon.engine.executor import OnProgress, Outcome, as_outcome, never
from daemon.engine.faults import as_error
from daemon.engine.folder_memory import FolderMemory
from daemon.engine.keeper import Keeper
from daemon.engine.probers import MAIN as PROBE_MAIN
from daemon.engine.probers import Probers
from daemon.errors import EngineAwayError, EngineDiedError, EngineError
from daemon.jobs.job import Media
from daemon.settings.keys import LoggingSettings, ModelSettings
from seedvr2.catalogue.places import ModelsDir, folders_of
from seedvr2.errors import Cancelled, MachineError, SeedVR2Error
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish
from seedvr2.progress import Segments

log = logging.getLogger(__name__)
MAIN = "daemon.engine.child_main"
POLL_S = 0.1
# How long a child may take to stop what it does; opening a large model may take longer, and is given up then.
CANCEL_S = 10.0
# For questions about models: reading the headers of a folder on a slow share.
ANSWER_S = 120.0
# What is wrong with a file of the folder, or missing there, is so until the folder changes.
_LASTING = ("CheckpointError", "ModelNotInstalledError", "IncompleteModelError")
_STARTS = 3
_Order: TypeAlias = say.Run | say.Preview | say.Join
# What the end of each order is called.
_END_OF: dict[type[_Order], type[say.Finished] | type[say.Previewed]] = {
    say.Run: say.Finished,
    say.Join: say.Finished,
    say.Preview: say.Previewed,
}


class ChildExecutor:
    """See `Executor`. Besides its errors, `run` raises EngineError: the child is in trouble, not the file.

    Args:
        stall_s: seconds without a step of the engine until its process is ended and started again.
        memory: file in which the engine remembers what worked on this card.
        on_device: told what the engine computes on, at each start.
        main, probe_main: the modules that the children run.
        cancel_s: seconds that a job may take to stop.
    """

    def __init__(
        self,
        models_dir: ModelsDir,
        settings: ModelSettings,
        logging_settings: LoggingSettings | None = None,
        *,
        memory: Path | None = None,
        stall_s: float = 3600.0,
        on_device: Callable[[say.DeviceReport], None] = lambda _report: None,
        main: str = MAIN,
        probe_main: str = PROBE_MAIN,
        cancel_s: float = CANCEL_S,
    ) -> None:
        self._stall_s = stall_s
        self._cancel_s = cancel_s
        about_log = logging_settings or LoggingSettings()
        setup = say.Setup(
            version=say.VERSION,
            models_dirs=[str(folder) for folder in folders_of(models_dir)],
            memory_file=str(memory or ""),
            default=settings.default,
            device=settings.device,
            dtype=settings.dtype,
            compile=settings.compile,
            auto_download=settings.auto_download,
            level=about_log.level,
            form=about_log.format,
        )
        self._probers = Probers(setup, main=probe_main)
        self._answers = FolderMemory(models_dir)
        self._keeper = Keeper(main, setup, settings, on_device)

    @property
    def model(self) -> str | None:
        """File name of the model in memory, or None."""
        child = self._keeper.child
        return child.model if child is not None else None

    @property
    def pid(self) -> int | None:
        """The number of the child's process, if there is one."""
        child = self._keeper.child
        return child.pid if child is not None else None

    def prepare(self) -> None:
        """Start the child and ask what everybody will ask."""
        began = time.monotonic()
        self._keeper.ready(lambda: False)
        log.info("the engine is ready after %.1f s", time.monotonic() - began)
        with contextlib.suppress(SeedVR2Error):
            # What is wrong with a model is said to who asks for it.
            log.info("jobs that name no model run with %s", self.resolve(""))
            self.models(everything=False)

    def probe(self, path: Path) -> Media:
        """What `path` is, found out by a process of its own."""
        return self._probers.probe(path)

    def draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        """A small picture of `path`, made by a process of its own."""
        return self._probers.draw(path, kind, size)

    def draw_frame(self, path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
        """One frame of `path` at `target`, made by a process of its own."""
        self._probers.draw_frame(path, at, size, target)

    def resolve(self, model: str) -> str:
        """The file name behind `model`; remembered as long as the folder of the models stays as it is."""
        answer = self._known(("resolve", model), lambda id: say.Resolve(id, model))
        if not isinstance(answer, say.Resolved):
            raise _raised(answer)
        return answer.name

    def models(self, everything: bool) -> list[dict[str, Any]]:
        """The models that are here, or all known ones; remembered likewise."""
        answer = self._known(("models", everything), lambda id: say.ListModels(id, everything))
        if not isinstance(answer, say.Listed):
            raise _raised(answer)
        return [dict(model) for model in answer.models]

    def foresee(
        self, media: Media, options: UpscaleOptions, *, model: str, suffix: str, size: int, timed: bool
    ) -> dict[str, Any]:
        """What a job would take, found out beside the one that runs."""
        facts = asdict(media) | {"formats": list(media.formats)}
        asked = options.as_dict()
        answer = self._ask(lambda id: say.Foresee(id, facts, asked, model, suffix, size, timed))
        if not isinstance(answer, say.Foreseen):
            raise _raised(answer)
        return answer.plan

    def load(self, model: str) -> None:
        """Bring `model` into memory."""
        answer = self._ask(lambda id: say.Load(id, model), self._stall_s, kill=True)
        if not isinstance(answer, say.Loaded):
            raise _raised(answer)

    def unload(self) -> None:
        """End the child, and what looks into files when it has nothing to do."""
        self._keeper.end()
        self._probers.end()

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
        """Upscale `source` into `target`. Raises EngineError, too."""
        message = self._follow_new(
            lambda id: say.Run(id, str(source), str(target), options.as_dict(), model, str(keep)),
            on_progress,
            cancelled,
            give_way,
        )
        assert isinstance(message, say.Finished)
        return as_outcome(message)

    def join(
        self,
        source: Path,
        target: Path,
        keep: Path,
        *,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Make `target` of the segments in `keep`, which are all there, with their plan. Raises as `run`."""
        message = self._follow_new(
            lambda id: say.Join(id, str(source), str(target), str(keep)), on_progress, cancelled, never
        )
        assert isinstance(message, say.Finished)
        return as_outcome(message)

    def preview(
        self,
        source: Path,
        folder: Path,
        options: UpscaleOptions,
        wish: Wish,
        *,
        model: str,
        speed: float | None,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        """Write a preview of `source` into `folder`. Raises EngineError, too."""
        message = self._follow_new(
            lambda id: say.Preview(id, str(source), str(folder), options.as_dict(), wish.as_dict(), model, speed),
            lambda *_progress: None,
            cancelled,
            never,
        )
        assert isinstance(message, say.Previewed)
        return message.shown

    # -- one job ------------------------------------------------------------------------------------------

    def _follow_new(
        self,
        order: Callable[[int], _Order],
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
        give_way: Callable[[], bool],
    ) -> say.Finished | say.Previewed:
        """Have a child carry out what `order` makes of a number."""
        for _ in range(_STARTS):
            child = self._keeper.ready(cancelled)
            with contextlib.ExitStack() as stack:
                try:
                    call = stack.enter_context(child.call())
                except ChildGoneError:
                    # It ended for want of work at this moment, or was ended: it never heard of the job.
                    continue
                given = order(call.id)
                call.send(given)
                try:
                    return self._follow(child, call, _END_OF[type(given)], on_progress, cancelled, give_way)
                except ChildGoneError as gone:
                    raise EngineDiedError(f"the engine's process is gone: {gone}") from gone
        raise EngineAwayError(f"the engine's process does not stay: {child.why}")

    def _follow(
        self,
        child: Child,
        call: Call,
        end: type[say.Finished] | type[say.Previewed],
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
        give_way: Callable[[], bool],
    ) -> say.Finished | say.Previewed:
        """Wait for the end of an order, whatever the child does or fails to do."""
        still_s, asked_at, giving_way = 0.0, 0.0, False
        while True:
            stop = cancelled()
            if stop and not asked_at:
                asked_at = time.monotonic()
                call.send(say.Cancel(call.id))
            if give_way() is not giving_way:
                giving_way = not giving_way
                call.send(say.GiveWay(call.id, giving_way))
            try:
                message = call.next(POLL_S)
            except ChildGoneError as gone:
                if stop:
                    raise Cancelled(f"The engine's process is gone: {gone}.") from gone
                raise
            still_s = still_s + POLL_S if message is None else 0.0
            match message:
                case None | say.Pulse():
                    pass
                case say.Progress():
                    on_progress(message.stage, message.done, message.total, message.share, _segments(message))
                case say.Finished() | say.Previewed() if isinstance(message, end):
                    child.model = message.model
                    return message
                case say.Fault():
                    raise self._fault(child, message)
                case _:
                    child.kill(f"it answered with {type(message).__name__}")
            if asked_at and time.monotonic() - asked_at > self._cancel_s:
                child.kill(f"it did not stop within {self._cancel_s:.0f} s")
                raise Cancelled("The engine did not stop, so its process was ended.")
            if still_s > self._stall_s:
                child.kill(f"nothing moved in it for {self._stall_s:.0f} s")

    def _fault(self, child: Child, fault: say.Fault) -> Exception:
        if fault.device:
            # It ends by itself; its successor must not meet it on the card.
            child.end("its GPU failed")
        return as_error(fault)

    # -- the child ----------------------------------------------------------------------------------------

    def _known(self, key: tuple[str, object], question: Callable[[int], say.Resolve | say.ListModels]) -> say.Message:
        return self._answers.get(key, lambda: self._ask(question), _lasts)

    def _ask(
        self, question: Callable[[int], say.ToChild], seconds: float = ANSWER_S, *, kill: bool = False
    ) -> say.Message:
        """The answer to one question, from a new child if the present one ends over it; `kill` one that is late."""
        for last in (False, True):
            try:
                child = self._keeper.ready(lambda: False)
                with child.call() as call:
                    call.send(question(call.id))
                    answer = call.next(seconds)
                if isinstance(answer, say.Fault) and answer.device:
                    raise self._fault(child, answer)
                if answer is not None:
                    if isinstance(answer, say.Loaded):
                        child.model = answer.model
                    return answer
                # Otherwise a job may be in it, which has a clock of its own.
                if kill:
                    child.kill(f"it did not answer within {seconds:.0f} s")
                raise MachineError("The engine does not answer now; ask again later.", 0)
            except ChildGoneError as gone:
                if last:
                    raise MachineError(f"The engine's process ended over a question: {gone}.", 0) from gone
            except EngineError as error:
                raise MachineError(f"The engine cannot be asked now: {error}.", 0) from error
        raise AssertionError


def _lasts(answer: say.Message) -> bool:
    if isinstance(answer, say.Listed):
        # What kept a file from being opened may pass without a trace in the folder.
        return not any("error" in model for model in answer.models)
    return not isinstance(answer, say.Fault) or answer.kind in _LASTING


def _raised(answer: say.Message) -> Exception:
    if isinstance(answer, say.Fault):
        return as_error(answer)
    return MachineError(f"The engine answered with {type(answer).__name__}; restart the service.", 0)


def _segments(message: say.Progress) -> Segments | None:
    return Segments(message.segments_done, message.segments, message.border) if message.segments else None
