"""Jobs as JSON, with the keys of the API document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daemon.api.context import Context
from daemon.api.redact import Redactor
from daemon.cluster.executor import ClusterExecutor
from daemon.engine.pull import Pull
from daemon.jobs.job import Job, Progress, State


def timestamp(seconds: float | None) -> str | None:
    """ISO 8601 in UTC: `2026-01-31T12:00:00.123Z`."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(value: str) -> str:
    """A text that every JSON reader takes: file names may hold bytes that are no UTF-8."""
    return value.encode("utf-8", "replace").decode("utf-8")


def parameters(job: Job) -> dict[str, Any]:
    """What the job was asked for."""
    return {**job.draft.options, "dit_model": job.draft.model or None, "priority": job.draft.priority}


def position(context: Context, job: Job) -> int:
    """Its place in the service, the running job being first; 0 once it runs or has ended."""
    waiting = context.queue.position(job.id)
    return waiting + len(context.worker.running) if waiting else 0


def wait_s(context: Context, job: Job) -> int:
    """Seconds until a waiting job will probably be done; 0 once it runs or has ended."""
    if not context.queue.position(job.id):
        return 0
    return round(context.operations.wait_s(job) + context.estimates.seconds(job))


def process_time(job: Job) -> float | None:
    """Seconds from start to end."""
    if job.started_at is None or job.completed_at is None:
        return None
    # By a clock that nobody sets, where that was measured.
    return round(max(job.completed_at - job.started_at, 0.0) if job.took_s is None else job.took_s, 2)


def task(context: Context, job: Job) -> dict[str, Any]:
    """A job as `GET /api/status/{id}` shows it."""
    return task_with(context, job, context.worker.progress_of(job.id), position(context, job))


def task_with(context: Context, job: Job, progress: Progress | None, place: int) -> dict[str, Any]:
    """A job with its progress and its place in the queue."""
    if progress is None and job.state is State.QUEUED:
        # Where a video let others go first.
        percent, segments = job.percent, (job.segments_done, job.segments_total)
    else:
        now = progress or Progress(job.id)
        percent, segments = now.percent, (now.segments_done, now.segments_total)
    view: dict[str, Any] = {
        "id": job.id,
        "status": job.state.value,
        "progress": 100 if job.state is State.COMPLETED else percent,
        # As documented, the running job is the first of the queue here.
        "queue_position": 1 if job.state is State.PROCESSING else place,
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "completed_at": timestamp(job.completed_at),
        "process_time": process_time(job),
        "params": parameters(job),
        "source": job.draft.origin,
        "original_filename": text(job.draft.original_filename),
        "media": media(job),
        "stage": progress.stage if progress else None,
        "frames_done": progress.frames_done if progress else 0,
        "frames_total": progress.frames_total if progress else None,
        "eta_s": round(progress.eta_s, 1) if progress and progress.eta_s is not None else None,
    }
    model = model_of(context, job)
    if model:
        view["model"] = model
    if segments[1]:
        view |= {"segments_done": segments[0], "segments_total": segments[1]}
    if context.cluster is not None and job.state is State.PROCESSING:
        view |= _on_the_cluster(context.cluster, job, segments)
    if job.draft.duplicate_of:
        view["duplicate_of"] = job.draft.duplicate_of
    if job.draft.retry_of:
        view["retry_of"] = job.draft.retry_of
    if job.state is State.QUEUED:
        # The reason why it does not begin, where there is one.
        view["waiting_for"] = context.redact(context.worker.waits_for(job)) or None
    if job.kept:
        view |= {"output_path": text(job.kept), "output_filename": text(Path(job.kept).name)}
    if job.state in (State.FAILED, State.CANCELLED):
        view["error"] = text(context.redact(job.error))
    if job.state is State.COMPLETED:
        view |= output(job)
    return {key: value for key, value in view.items() if value is not None or key in ALWAYS}


def _on_the_cluster(cluster: ClusterExecutor, job: Job, segments: tuple[int, int]) -> dict[str, Any]:
    """What is made of a running job, where, and why not."""
    done, total = segments if segments[1] else (0, 1)
    waits = cluster.foreman.waits_for(job.id)
    return {
        "units_done": done,
        "units_total": total,
        "places": cluster.foreman.places_of(job.id),
        **({"waiting_for": waits} if waits else {}),
    }


ALWAYS = ("stage", "frames_total", "eta_s")


def model_of(context: Context, job: Job) -> str:
    """The model that a job ran with, runs with, or would as things are; empty if that is not known."""
    if job.state is State.QUEUED and not job.segments_done:
        return job.draft.model or context.estimates.default
    return job.model or job.draft.model


def media(job: Job) -> dict[str, Any]:
    """What was sent."""
    source = job.draft.media
    return {
        "kind": source.kind,
        "width": source.width,
        "height": source.height,
        "frames": source.frames,
        "duration_s": source.duration_s,
    }


def output(job: Job) -> dict[str, Any]:
    """What came out of a completed job."""
    assert job.result is not None
    result = job.result
    return {
        "output_path": text(result.path),
        "output_filename": text(Path(result.path).name),
        "output_resolution": f"{result.width}x{result.height}",
        "model": result.model,
        "frames_done": result.frames,
        "frames_total": result.frames,
        "warnings": list(result.warnings),
        **({"places": list(result.places)} if result.places else {}),
    }


def pull(redact: Redactor, pull: Pull) -> dict[str, Any]:
    """A download of a model as the API shows it."""
    view = pull.as_dict()
    return view | {"error": text(redact(pull.error)) or None}


def submitted(context: Context, job: Job) -> dict[str, Any]:
    """The answer to a submit."""
    # The worker may have taken it already; it is the first of the queue then.
    return {
        "status": "queued",
        "task_id": job.id,
        "queue_position": position(context, job) or 1,
        "estimated_wait_seconds": wait_s(context, job) or round(context.estimates.seconds(job)),
    }
