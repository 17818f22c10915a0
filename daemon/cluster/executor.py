"""The executor of a service with many places: what a job takes goes to the cluster, questions are answered here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from daemon.cluster import messages as say
from daemon.cluster.dispatcher import ANY, Dispatcher, Turn
from daemon.cluster.foreman import Foreman
from daemon.cluster.gateway import Gateway
from daemon.cluster.job_run import Asked, JobRun
from daemon.cluster.remote_pulls import RemotePulls
from daemon.engine.child_executor import ChildExecutor
from daemon.engine.executor import OnProgress, Outcome, never
from daemon.jobs.job import Job, Media
from daemon.jobs.queue import rank_of
from daemon.settings.keys import ClusterSettings
from seedvr2.catalogue.registry import find
from seedvr2.errors import Cancelled, CheckpointError, ModelNotInstalledError
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish

WAIT_S = 0.1


class ClusterExecutor:
    """See `Executor`; `run_of` may be called by many threads at a time, and gives what `run` is for one job.

    Args:
        here: answers questions and makes previews on this machine. joiner: joins segments, on its processor.
        gateway: makes the gateway, given whom it tells. state: the folder in which is noted what is to be fetched.
        stall_s: seconds without a step of a unit until it is ended.
    """

    def __init__(
        self,
        here: ChildExecutor,
        joiner: ChildExecutor,
        settings: ClusterSettings,
        gateway: Callable[[Callable[[Any], None]], Gateway],
        state: Path,
        stall_s: float = 3600.0,
    ) -> None:
        self._here = here
        self._joiner = joiner
        self._stall_s = stall_s
        self._joining = threading.Lock()
        dispatcher = Dispatcher(
            mixed=settings.mixed_gpus, most_places=settings.max_places_per_job, attempts=settings.unit_attempts
        )
        self.foreman = Foreman(dispatcher, self._tell)
        # On other machines; what this one has is nobody else's matter.
        self.pulls = RemotePulls(lambda: self.foreman.places, self._tell, state)
        self._gateway = gateway(self._hear)

    @property
    def model(self) -> str | None:
        """The model in memory at one of the places at least, the first of those that work; or here; or None."""
        places = sorted(self.foreman.places, key=lambda place: place.state != "busy")
        return next((place.model for place in places if place.model), None) or self._here.model

    @property
    def capacity(self) -> int:
        """How many units can be made at a time."""
        return self.foreman.capacity

    @property
    def gateway_pid(self) -> int | None:
        """The number of the gateway's process, if there is one."""
        return self._gateway.pid

    def look_again(self) -> None:
        """Have the places of this machine see what models there are by now."""
        self._tell(say.LookAgain())

    def prepare(self) -> None:
        """Start the cluster. Called once."""
        self._gateway.start()

    def close(self) -> None:
        """End what was started."""
        self._gateway.stop()
        self._here.unload()
        self._joiner.unload()

    def probe(self, path: Path) -> Media:
        """See `Executor`."""
        return self._here.probe(path)

    def draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        """See `Executor`."""
        return self._here.draw(path, kind, size)

    def resolve(self, model: str) -> str:
        """See `Executor`: of the models of this machine, or of one where a place has it."""
        try:
            return self._here.resolve(model)
        except ModelNotInstalledError:
            name = _full(model)
            if any(name in place.models for place in self.foreman.places):
                return name
            raise

    def models(self, everything: bool) -> list[dict[str, Any]]:
        """See `Executor`."""
        return self._here.models(everything)

    def draw_frame(self, path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
        """See `Executor`."""
        self._here.draw_frame(path, at, size, target)

    def foresee(
        self, media: Media, options: UpscaleOptions, *, model: str, suffix: str, size: int, timed: bool
    ) -> dict[str, Any]:
        """See `Executor`: of this machine, whose GPU need not be the one that makes it."""
        return self._here.foresee(media, options, model=model, suffix=suffix, size=size, timed=timed)

    def load(self, model: str) -> None:
        """See `Executor`: here; a place loads what its job takes."""
        self._here.load(model)

    def unload(self) -> None:
        """Give back the memory here and at the places that have nothing to do."""
        self._here.unload()
        # What joins a video has nothing on a GPU, and is not disturbed.
        if self._joining.acquire(blocking=False):
            try:
                self._joiner.unload()
            finally:
                self._joining.release()
        self._gateway.send(say.Rest())

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
        turn: Turn | None = None,
    ) -> Outcome:
        """See `Executor`.

        Args:
            turn: whose it is; None: nobody's in particular.
        """
        turn = turn or Turn(keep.parent.name, (False, 0), 0, model=model)
        model = turn.model or model
        asked = Asked(source, target, options.as_dict(), model, keep, on_progress, cancelled, give_way, self._stall_s)
        return JobRun(self.foreman, turn, asked, self._join).run()

    def run_of(self, job: Job) -> Callable[..., Outcome]:
        """`run` for a job, in its turn."""
        whole = job.draft.media.kind != "video"
        # A short name means the same file everywhere; what the default is, each place knows by itself.
        model = job.draft.model if job.draft.model in ANY else job.model or _full(job.draft.model)
        turn = Turn(job.id, rank_of(job.requeue(orderly=True)), job.number, whole, model)
        return partial(self.run, turn=turn)

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
        """See `Executor`."""
        return self._here.preview(source, folder, options, wish, model=model, speed=speed, cancelled=cancelled)

    def _tell(self, message: say.ToGateway) -> None:
        self._gateway.send(message)

    def _hear(self, message: Any) -> None:
        # The first knows the places then, which the second asks for.
        self.foreman.hear(message)
        self.pulls.hear(message)

    def _join(
        self, source: Path, target: Path, keep: Path, *, on_progress: OnProgress, cancelled: Callable[[], bool]
    ) -> Outcome:
        # One at a time: what it takes is the disk.
        while not self._joining.acquire(timeout=WAIT_S):
            if cancelled():
                raise Cancelled(f"{source.name} was stopped.")
        try:
            return self._joiner.join(source, target, keep, on_progress=on_progress, cancelled=cancelled)
        finally:
            self._joining.release()


def _full(model: str) -> str:
    """The file that a name of the catalogue stands for; any other name is one."""
    try:
        return find(model).name
    except CheckpointError:
        return model
