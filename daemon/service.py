"""The life of the service: starts its parts in order, watches over them, ends them in order."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from types import FrameType

from daemon.engine.executor import Executor
from daemon.outside.notify import notify, watchdog_s
from daemon.settings.config import Config
from daemon.wiring import wire
from daemon.work.worker import Activity

log = logging.getLogger(__name__)
STOP_S = 60.0


class Service:
    """The whole daemon. `start` returns at once; `run` also waits for a signal and stops.

    Raises:
        ServiceError: the configuration or the state folder does not let it start.
    """

    def __init__(self, config: Config, executor: Executor | None = None) -> None:
        self.config = config
        self._parts = wire(config, executor)
        self.context = self._parts.context
        self.api = self._parts.api
        self.store, self.worker, self.inbox = self.context.store, self.context.worker, self.context.inbox
        self.executor = self.context.executor
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        """Where the API answers."""
        host = self.config.server.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api.port}"

    def start(self) -> None:
        """Begin to answer, to work and to watch, in this order."""
        models = ", ".join(map(str, self.context.models))
        log.info("models %s, state %s", models, self.config.paths.state)
        log.info("inbox %s, outputs %s", self.config.paths.inbox, self.config.paths.outputs)
        self.api.start()
        self.context.pulls.start()
        self.worker.start()
        self.inbox.start()
        self._parts.retention.start()
        for courier in self.context.couriers:
            courier.start()
        log.info("listening on %s, %d jobs waiting", self.url, len(self.context.queue))

    def stop(self) -> None:
        """End in order; a running job is interrupted and waits for the next start."""
        if self.context.stopping.is_set():
            return
        self.context.stopping.set()
        notify("STOPPING=1", "STATUS=stopping")
        self.inbox.stop()
        self.context.hub.close()
        self.context.pulls.stop()
        ended = self.worker.stop(STOP_S)
        if self.context.cluster is not None:
            self.context.cluster.close()
        self._parts.retention.stop()
        for courier in self.context.couriers:
            courier.stop()
        self.api.stop()
        self.context.kept.close()
        self.context.gpu.close()
        if not ended:
            self._abandon()
        self.store.close()
        self._parts.work.release()
        self._parts.folders.close()
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
        if self._stop.is_set():
            # Whoever asks twice does not want to wait for the engine to let go.
            os._exit(128 + number)
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
        return f"{running}{len(self.context.queue)} waiting"

    def _abandon(self) -> None:
        """The engine did not let go in time: record that this was no crash, then leave without it."""
        for running, _ in self.worker.running:
            stored = self.store.get(running.id)
            if stored is not None and not stored.finished and stored.result is None:
                with contextlib.suppress(OSError):
                    self.store.save(stored.requeue(orderly=True))
        self.store.close()
        log.warning("the engine did not stop within %.0f s; leaving without it", STOP_S)
        logging.shutdown()
        os._exit(0)
