"""Makes the parts of the service and ties them together; starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.api import views
from daemon.api.app import make_app
from daemon.api.context import Context
from daemon.api.gate import Gate
from daemon.api.redact import Redactor
from daemon.api.server import ApiServer
from daemon.engine.executor import Executor
from daemon.engine.gpu import GpuMonitor
from daemon.engine.local_executor import LocalExecutor
from daemon.errors import ConfigError
from daemon.inbox.after import Aftermath
from daemon.inbox.inbox import Inbox
from daemon.inbox.intake import Intake
from daemon.jobs.queue import JobQueue
from daemon.outside.events import EventHub
from daemon.outside.metrics import Metrics
from daemon.outside.webhook import Webhook
from daemon.settings.config import Config
from daemon.store.job_store import JobStore
from daemon.work.estimates import Estimates
from daemon.work.operations import Operations
from daemon.work.recovery import clear_uploads, recover
from daemon.work.retention import Retention
from daemon.work.runner import JobRunner
from daemon.work.worker import Worker

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service starts and stops; `context` holds the rest."""

    context: Context
    api: ApiServer
    retention: Retention
    webhook: Webhook


def wire(config: Config, executor: Executor | None) -> Parts:
    """Open the store, put in order what a crash left, and make every part.

    Raises:
        ServiceError: the configuration or the state folder does not let it start.
    """
    paths = config.paths
    for folder in (paths.inbox, paths.outputs, paths.state):
        _make(folder)
    uploads = uploads_folder(config)
    store = JobStore(paths.state, keep_count=config.jobs.history_count, keep_days=config.jobs.history_days)
    try:
        return _wire(config, executor or LocalExecutor(paths.models, config.model), store, uploads)
    except BaseException:
        store.close()
        raise


def _wire(config: Config, executor: Executor, store: JobStore, uploads: Path) -> Parts:
    paths, hub, estimates = config.paths, EventHub(), Estimates(store)
    after = Aftermath(store, paths.inbox, config.inbox.after)
    queue = JobQueue(recover(store, paths.outputs, after))
    clear_uploads(uploads, store)
    worker = Worker(
        JobRunner(store, executor, estimates, hub, paths.outputs),
        executor,
        queue,
        paths.outputs,
        after,
        idle_timeout_s=config.model.idle_timeout_s,
        min_free_bytes=config.jobs.min_free_mb * MIB,
    )
    worker.on_progress = hub.publish
    operations = Operations(store, queue, worker, estimates, hub, uploads=uploads, max_waiting=config.jobs.max_waiting)
    intake = Intake(config, store, executor, operations.submit)
    context = Context(
        config=config,
        store=store,
        queue=queue,
        worker=worker,
        operations=operations,
        estimates=estimates,
        executor=executor,
        hub=hub,
        gpu=GpuMonitor(config.model.gpu),
        inbox=Inbox(config, store, queue, operations, intake, after),
        uploads=uploads,
        metrics=Metrics(hub),
        redact=Redactor(paths),
    )
    webhook = Webhook(config.webhook, paths.state / "webhook", lambda job: views.task(context, job))
    hub.listen(webhook.on_event)
    gate = Gate(config.server, uploads, config.jobs.min_free_mb * MIB)
    return Parts(
        context=context,
        api=ApiServer(make_app(context), config.server, gate),
        retention=Retention(store, operations, config.jobs),
        webhook=webhook,
    )


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
