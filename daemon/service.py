"""Starts the parts of the service in order and ends them in order."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from daemon.api.app import make_app
from daemon.api.context import Context
from daemon.api.server import ApiServer
from daemon.config import Config
from daemon.errors import ConfigError
from daemon.estimates import Estimates
from daemon.events import EventHub
from daemon.executor import Executor, LocalExecutor
from daemon.gpu import GpuMonitor
from daemon.inbox.after import Aftermath
from daemon.inbox.inbox import Inbox
from daemon.inbox.intake import Intake
from daemon.notify import notify, watchdog_s
from daemon.operations import Operations
from daemon.queue import JobQueue
from daemon.recovery import clear_uploads, recover
from daemon.runner import JobRunner
from daemon.store import JobStore
from daemon.worker import Activity, Worker

log = logging.getLogger(__name__)
STOP_S = 60.0
MIB = 1 << 20


class Service:
    """The whole daemon. `start` returns when it is ready; `run` also waits for a signal and stops.

    Raises:
        ServiceError: the configuration or the state folder does not let it start.
    """

    def __init__(self, config: Config, executor: Executor | None = None) -> None:
        self.config = config
        paths = config.paths
        for folder in (paths.inbox, paths.outputs, paths.state):
            _make(folder)
        uploads = uploads_folder(config)
        self.store = JobStore(paths.state, keep_count=config.jobs.history_count, keep_days=config.jobs.history_days)
        self.executor = executor or LocalExecutor(paths.models, config.model)
        self.hub = EventHub()
        aftermath = Aftermath(self.store, paths.inbox, config.inbox.after)
        self.queue = JobQueue(recover(self.store, paths.outputs, aftermath))
        clear_uploads(uploads, self.store)
        estimates = Estimates(self.store)
        runner = JobRunner(self.store, self.executor, estimates, self.hub, paths.outputs)
        self.worker = Worker(
            runner,
            self.executor,
            self.queue,
            paths.outputs,
            aftermath,
            idle_timeout_s=config.model.idle_timeout_s,
            min_free_bytes=config.jobs.min_free_mb * MIB,
        )
        self.worker.on_progress = self.hub.publish
        operations = Operations(
            self.store,
            self.queue,
            self.worker,
            estimates,
            self.hub,
            aftermath,
            uploads=uploads,
            max_waiting=config.jobs.max_waiting,
        )
        intake = Intake(config, self.store, self.executor, operations.submit)
        self.inbox = Inbox(config, self.store, self.queue, operations, intake, aftermath)
        self.context = Context(
            config=config,
            store=self.store,
            queue=self.queue,
            worker=self.worker,
            operations=operations,
            estimates=estimates,
            executor=self.executor,
            hub=self.hub,
            gpu=GpuMonitor(config.model.gpu),
            inbox=self.inbox,
            uploads=uploads,
        )
        try:
            self.api = ApiServer(make_app(self.context), config.server)
        except ConfigError:
            self.store.close()
            raise
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        """Where the API answers."""
        host = self.config.server.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api.port}"

    def start(self) -> None:
        """Begin to answer, to work and to watch, in this order."""
        self.api.start()
        self.worker.start()
        self.inbox.start()
        log.info("inbox %s, outputs %s", self.config.paths.inbox, self.config.paths.outputs)
        log.info("listening on %s, %d jobs waiting", self.url, len(self.queue))

    def stop(self) -> None:
        """End in order; a running job is interrupted and waits for the next start."""
        if self.context.stopping.is_set():
            return
        self.context.stopping.set()
        notify("STOPPING=1", "STATUS=stopping")
        self.inbox.stop()
        self.hub.close()
        ended = self.worker.stop(STOP_S)
        self.api.stop()
        self.context.gpu.close()
        if not ended:
            self._abandon()
        self.store.close()
        log.info("stopped")

    def run(self) -> None:
        """Start, wait for SIGTERM or SIGINT, stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self.start()
        self._wait_ready()
        pinging = threading.Thread(target=self._ping, name="watchdog", daemon=True)
        pinging.start()
        while not self._stop.wait(1.0):
            pass
        self.stop()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        log.info("%s received, stopping", signal.Signals(number).name)
        self._stop.set()

    def _wait_ready(self) -> None:
        while not self.inbox.scanned.wait(0.2):
            if self._stop.is_set() or not self.inbox.is_alive():
                return
        notify("READY=1", "STATUS=watching the inbox")

    def _ping(self) -> None:
        """Pat systemd's watchdog while every part shows signs of life."""
        period = watchdog_s()
        while period and not self._stop.wait(period / 3):
            if self.well():
                notify("WATCHDOG=1", f"STATUS={self._status()}")

    def well(self) -> bool:
        """Whether every thread runs and the worker has moved lately."""
        if self.worker.activity is Activity.DEAD or not self.api.is_alive() or not self.inbox.is_alive():
            return False
        # Loading a large model from a slow disk shows no signs of life in between.
        return time.monotonic() - self.worker.heartbeat < self.config.jobs.stall_s

    def _status(self) -> str:
        progress = self.worker.progress
        running = f"task {progress.job_id} {progress.percent} %, " if progress else ""
        return f"{running}{len(self.queue)} waiting"

    def _abandon(self) -> None:
        """The engine did not let go in time: record that this was no crash, then leave without it."""
        current = self.worker.current
        stored = self.store.get(current.id) if current else None
        if stored is not None and not stored.finished and stored.result is None:
            self.store.save(stored.requeue(orderly=True))
        self.store.close()
        log.warning("the engine did not stop within %.0f s; leaving without it", STOP_S)
        logging.shutdown()
        os._exit(0)


def uploads_folder(config: Config) -> Path:
    """Where uploads go: as configured, else in `state`, or in the inbox where that is on another disk.

    Media files belong on the disk that was chosen for media files; a state folder may be on a small one.
    """
    paths = config.paths
    if paths.uploads != Path():
        folder = paths.uploads
    elif paths.state.stat().st_dev == paths.inbox.stat().st_dev:
        folder = paths.state / "uploads"
    else:
        folder = paths.inbox / ".uploads"
    _make(folder)
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be made: {error.strerror}.") from error
