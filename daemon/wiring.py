"""Makes the parts of the service and ties them together; starts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.api import views
from daemon.api.app import make_app
from daemon.api.context import Context
from daemon.api.gate import Gate
from daemon.api.kept import KeptUploads
from daemon.api.redact import Redactor
from daemon.api.server import ApiServer
from daemon.cluster.building import make_executor
from daemon.cluster.executor import ClusterExecutor
from daemon.engine.child_executor import ChildExecutor
from daemon.engine.executor import Executor
from daemon.engine.gpu import GpuMonitor
from daemon.engine.pull import Pull
from daemon.engine.pulls import Pulls
from daemon.folders import Folders, open_folders
from daemon.inbox.after import Aftermath
from daemon.inbox.inbox import Inbox
from daemon.inbox.intake import Intake
from daemon.inbox.moved import Moved
from daemon.inbox.refusals import Refusals
from daemon.jobs.job import Job, State
from daemon.jobs.queue import JobQueue
from daemon.outside.events import EventHub
from daemon.outside.metrics import Metrics
from daemon.outside.notifications import notifications
from daemon.outside.webhook import Webhook
from daemon.settings.config import Config
from daemon.settings.hours import Hours
from daemon.settings.shelves import shelves
from daemon.store.job_store import JobStore
from daemon.store.owner import owner_of
from daemon.store.presets import Presets
from daemon.store.safe_open import DESK
from daemon.work.ending import Ending
from daemon.work.ends import Ends
from daemon.work.estimates import Estimates
from daemon.work.hold import Hold
from daemon.work.means import Means
from daemon.work.model_trouble import AUTO, ModelTrouble
from daemon.work.operations import Operations
from daemon.work.publish import Publisher
from daemon.work.recovery import Recovery
from daemon.work.retention import Retention
from daemon.work.runner import JobRunner
from daemon.work.source import Sources
from daemon.work.surroundings import Surroundings
from daemon.work.work_folder import WorkFolder
from daemon.work.worker import Worker

MIB = 1 << 20
# So many of the last jobs are looked at for what they ran with.
_LATE = 100


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service starts and stops; `context` holds the rest."""

    context: Context
    api: ApiServer
    retention: Retention
    webhook: Webhook
    folders: Folders
    work: WorkFolder


def wire(config: Config, executor: Executor | None) -> Parts:
    """Open the store, put in order what a crash left, and make every part.

    Raises:
        ServiceError: the configuration or a folder does not let it start.
    """
    folders = open_folders(config)
    jobs = config.jobs
    operations: list[Operations] = []

    def forgotten(job: Job) -> None:
        if operations:
            operations[0].remove_segments(job)
        # Whoever keeps uploads for ever keeps those of forgotten jobs too.
        if jobs.uploads_days and operations:
            operations[0].remove_upload(job)

    try:
        store = JobStore(
            config.paths.state, keep_count=jobs.history_count, keep_days=jobs.history_days, on_forget=forgotten
        )
    except BaseException:
        folders.close()
        raise
    try:
        gpu = GpuMonitor(config.model.gpu)
        models = shelves(config)
        parts = _wire(config, executor or _engine(config, gpu, models), gpu, store, folders, models)
    except BaseException:
        store.close()
        folders.close()
        raise
    operations.append(parts.context.operations)
    return parts


def _engine(config: Config, gpu: GpuMonitor, models: Sequence[Path]) -> Executor:
    if config.cluster.mode != "off":
        return make_executor(config, models, gpu.observed)
    return ChildExecutor(
        models,
        config.model,
        config.logging,
        memory=config.paths.state / "gpu_memory.json",
        stall_s=config.jobs.stall_s,
        on_device=gpu.observed,
    )


def _wire(
    config: Config, executor: Executor, gpu: GpuMonitor, store: JobStore, folders: Folders, models: Sequence[Path]
) -> Parts:
    presets = Presets(config.presets, config.paths.state / "presets.json")
    # Whoever asks the configuration gets those that were saved meanwhile, too.
    config = replace(config, presets=presets)
    paths, hub, estimates, disks = config.paths, EventHub(), Estimates(store), folders.disks
    redact = Redactor(paths)
    spare = config.jobs.min_free_mb * MIB
    kept = KeptUploads(folders.uploads, spare)
    folders.settle(store)
    work = WorkFolder(paths.outputs, owner_of(paths.state), lambda: disks.missing("outputs", needed=True))
    publisher = Publisher(store, paths.outputs, work)
    surroundings = Surroundings(paths.outputs, paths.state, work, disks, min_free_bytes=spare)
    found = Recovery(store, publisher, work, surroundings.outputs_missing).run()
    moved = Moved(store, paths.inbox, paths.state)
    after = Aftermath(store, paths.inbox, config.inbox.after, folders.check_inbox, moved.find)
    queue = JobQueue(found.waiting)
    sources = Sources((paths.inbox, folders.uploads), paths.state / DESK, surroundings.missing, moved.find)
    ends = Ends(surroundings, hub, lambda job: Ending(job, store, publisher, work), after)
    for step in found.left:
        ends.leave(step)
    for job in found.ended:
        ends.settle(job)
    cluster = executor if isinstance(executor, ClusterExecutor) else None

    def pulled(pull: Pull) -> None:
        hub.tell("model", f"{pull.machine}/{pull.name}", views.pull(redact, pull))
        if cluster and pull.state == "done" and not pull.machine:
            cluster.look_again()

    pulls = Pulls(models, paths.state, pulled)
    embedding = pulls.request_embedding if config.model.fetch_embedding else _nothing
    run_of = cluster.run_of if cluster else None
    means = Means(
        runner=JobRunner(store, executor, estimates, hub, paths.outputs, work, sources, run_of),
        executor=executor,
        queue=queue,
        surroundings=surroundings,
        ends=ends,
        models=ModelTrouble(
            executor,
            [config.defaults.get("dit_model", "")],
            embedding,
            before=_model_before(store) if config.model.default in ("", AUTO) else "",
        ),
        estimates=estimates,
        hold=Hold(store, Hours.parse(config.queue.hours)),
        on_progress=hub.publish,
        capacity=(lambda: cluster.capacity) if cluster else None,
    )
    worker = Worker(means, idle_timeout_s=config.model.idle_timeout_s)
    if cluster:
        cluster.foreman.changed = worker.notify
        cluster.pulls.tell = pulled
    refusals = Refusals(config, store, executor, hub, worker.settle)
    operations = Operations(
        store,
        queue,
        worker,
        estimates,
        hub,
        work=work,
        uploads=folders.all_uploads,
        max_waiting=config.jobs.max_waiting,
        look_again=refusals.look_again,
    )
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
        gpu=gpu,
        inbox=Inbox(
            config,
            store,
            queue,
            operations,
            intake,
            after,
            refusals,
            disks,
            moved,
            busy=lambda: worker.current is not None,
            alone=lambda: worker.alone,
        ),
        uploads=folders.uploads,
        kept=kept,
        metrics=Metrics(hub),
        redact=redact,
        models=models,
        pulls=pulls,
        presets=presets,
        cluster=cluster,
    )

    def described(job: Job) -> dict[str, Any]:
        return views.task(context, job)

    webhook = Webhook(config.webhook, paths.state / "webhook", described)
    people = notifications(config.notify, paths.state / "notify", described)
    for courier in (webhook, *people):
        hub.listen(courier.on_event)
        context.couriers.append(courier)
    gate = Gate(config.server, folders.uploads, spare, kept)
    return Parts(
        context=context,
        api=ApiServer(make_app(context), config.server, gate),
        retention=Retention(store, operations, config.jobs, lambda: bool(disks.missing("inbox", needed=True))),
        webhook=webhook,
        folders=folders,
        work=work,
    )


def _nothing() -> None:
    """Nobody wants to be told."""


def _model_before(store: JobStore) -> str:
    """The model of the last job that named none; empty if there is none of late."""
    done = store.history(_LATE, (State.COMPLETED,))
    return next((job.result.model for job in done if job.result is not None and not job.draft.model), "")
