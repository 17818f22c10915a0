"""What the routes may use."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.api.kept import KeptUploads
from daemon.api.redact import Redactor
from daemon.cluster.executor import ClusterExecutor
from daemon.engine.executor import Executor
from daemon.engine.gpu import GpuMonitor
from daemon.engine.pulls import Pulls
from daemon.inbox.inbox import Inbox
from daemon.jobs.queue import JobQueue
from daemon.outside.courier import Courier
from daemon.outside.events import EventHub
from daemon.outside.metrics import Metrics
from daemon.settings.config import Config
from daemon.store.job_store import JobStore
from daemon.store.presets import Presets
from daemon.work.estimates import Estimates
from daemon.work.operations import Operations
from daemon.work.worker import Worker
from seedvr2.catalogue.places import look


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the service, as the API sees them."""

    config: Config
    store: JobStore
    queue: JobQueue
    worker: Worker
    operations: Operations
    estimates: Estimates
    executor: Executor
    hub: EventHub
    gpu: GpuMonitor
    inbox: Inbox
    uploads: Path
    kept: KeptUploads
    metrics: Metrics
    redact: Redactor
    models: Sequence[Path]
    pulls: Pulls
    presets: Presets
    cluster: ClusterExecutor | None = None
    couriers: list[Courier] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    stopping: threading.Event = field(default_factory=threading.Event)

    def problems(self) -> list[str]:
        """What is wrong now, a sentence each; nothing if all is well."""
        unreadable = self.store.unreadable
        damaged = f"{unreadable} records of the job store cannot be read; the log shows them." if unreadable else ""
        undelivered = [courier.problem for courier in self.couriers]
        cluster = self.cluster.foreman.problems if self.cluster else []
        told = [
            *self.worker.problems,
            *cluster,
            *self.inbox.problems,
            damaged,
            self.presets.problem,
            *undelivered,
            *look(self.models).problems,
        ]
        # The same disk may trouble both; it is named once.
        return list(dict.fromkeys(self.redact(text) for text in told if text))
