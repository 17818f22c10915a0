"""`/api/queue/…`: what waits, what runs, what is done."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from daemon.api import holding, views
from daemon.api.asked import ALL, FINISHED, HistoryQuery
from daemon.api.bodies import query
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.jobs.job import Job, Progress, State
from daemon.work.naming import model_tag

# The average is over this many of the last jobs.
AVERAGE_OVER = 20


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def status() -> dict[str, Any]:
        return queue_status(context)

    def position(task_id: str) -> dict[str, Any]:
        job = context.operations.find(task_id)
        return {
            "task_id": job.id,
            "status": job.state.value,
            "position": views.position(context, job),
            "estimated_wait": views.wait_s(context, job),
        }

    def history() -> dict[str, Any]:
        asked = query(HistoryQuery)
        jobs = context.store.history(asked.limit, FINISHED if asked.status == ALL else (State(asked.status),))
        return {"history": [_entry(context, job) for job in jobs]}

    return [
        Route("GET", "/api/queue/status", status, "What waits and what runs"),
        Route("GET", "/api/queue/position/<task_id>", position, "The place of a task in the queue"),
        Route("GET", "/api/queue/history", history, "Finished tasks, newest first"),
    ]


def queue_status(context: Context) -> dict[str, Any]:
    """The whole queue."""
    waiting = context.queue.waiting()
    all_running = [_running(context, job, progress) for job, progress in context.worker.running]
    running = all_running[0] if all_running else None
    pending = [
        {
            "task_id": job.id,
            "id": job.id,
            "position": place,
            "created_at": views.timestamp(job.created_at),
            "params": views.parameters(job),
            "waiting_for": context.redact(context.worker.waits_for(job)) or None,
        }
        for place, job in enumerate(waiting, len(all_running) + 1)
    ]
    totals = context.store.totals()
    return {
        "queue_length": len(waiting),
        "in_system": len(waiting) + len(all_running),
        "processing": running,
        "running": all_running,
        "processing_task_id": running["task_id"] if running else None,
        "processing_progress": running["progress"] if running else 0,
        "pending_tasks": pending,
        "total_completed": totals[State.COMPLETED],
        "total_failed": totals[State.FAILED],
        "total_cancelled": totals[State.CANCELLED],
        "avg_process_time": _average(context),
        "estimated_total_wait": round(context.operations.total_s(waiting)),
        "paused": _paused(context, waiting) or context.worker.hold.reason or None,
        **holding.state(context),
        "hours": str(context.worker.hold.hours) or None,
        "inbox_path": str(context.config.paths.inbox),
    }


def _running(context: Context, job: Job, progress: Progress | None) -> dict[str, Any]:
    return {
        "task_id": job.id,
        "progress": progress.percent if progress else 0,
        "model": model_tag(views.model_of(context, job) or context.config.model.default),
        "eta_s": round(context.operations.left_s(job, progress), 1),
    }


def _average(context: Context) -> float:
    times = [views.process_time(job) or 0.0 for job in context.store.history(AVERAGE_OVER, (State.COMPLETED,))]
    return round(sum(times) / len(times), 2) if times else 0


def _entry(context: Context, job: Job) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": job.id,
        "status": job.state.value,
        "created_at": views.timestamp(job.created_at),
        "completed_at": views.timestamp(job.completed_at),
        "process_time": views.process_time(job),
        "original_filename": views.text(job.draft.original_filename),
        "source": job.draft.origin,
        "params": views.parameters(job),
        "media": views.media(job),
    }
    if job.result is not None:
        entry |= views.output(job) | {"available": Path(job.result.path).is_file()}
    else:
        entry["error"] = views.text(context.redact(job.error))
        entry |= {"model": model} if (model := views.model_of(context, job)) else {}
    return entry


def _paused(context: Context, waiting: Iterable[Job]) -> str:
    """Why no task is started, if none is: the worker's word, or that of all that wait."""
    if context.worker.paused:
        return context.worker.paused
    reasons = [context.worker.held_up_by(job) for job in waiting]
    return context.redact(reasons[0]) if reasons and all(reasons) else ""
