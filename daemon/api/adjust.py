"""`/api/tasks/{id}/priority` and `/api/tasks/{id}/again`: change a waiting task; run one again in another way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon.api import views
from daemon.api.asked import PriorityRequest
from daemon.api.bodies import body, json_object, read
from daemon.api.context import Context
from daemon.api.models import resolve
from daemon.api.route import Route
from daemon.api.source import open_source
from daemon.errors import RequestError
from daemon.jobs.drafts import make_draft
from daemon.jobs.job import Job
from daemon.jobs.parameters import JobRequest
from daemon.work.naming import result_suffix, wrong_format
from seedvr2.errors import OptionError


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def priority(task_id: str) -> dict[str, Any]:
        return views.task(context, prioritise(context, task_id, read(PriorityRequest).priority))

    def again(task_id: str) -> dict[str, Any]:
        return views.submitted(context, run_again(context, task_id, json_object(body()))) | {"retry_of": task_id}

    return [
        Route("POST", "/api/tasks/<task_id>/priority", priority, "Change the priority of a waiting task"),
        Route("POST", "/api/tasks/<task_id>/again", again, "Run a task's source again with other parameters"),
    ]


def prioritise(context: Context, job_id: str, priority: str) -> Job:
    """Give a waiting job another priority. Raises RequestError (404, 409)."""
    # Taken out, so that neither the worker nor a cancel can have it meanwhile.
    job = context.queue.take(job_id)
    if job is None:
        job = context.operations.find(job_id)
        raise RequestError(409, f"Task {job_id} is {job.state}; only a waiting one can change its priority.")
    try:
        changed = replace(job, draft=replace(job.draft, priority=priority))
        job = context.store.save(changed)
        context.hub.publish(job)
    finally:
        context.queue.put(job)
        context.worker.notify()
    return job


def run_again(context: Context, job_id: str, fields: dict[str, Any]) -> Job:
    """A new job for the source of another one, with the parameters in `fields`. Raises RequestError (404, 409)."""
    old = context.operations.find(job_id)
    if old.draft.refused:
        raise RequestError(409, "The inbox refused this file; retry it as it is, once it is mended.")
    request = JobRequest.parse(context.config.defaults, context.presets.layer(fields), fields)
    draft, media = old.draft, old.draft.media
    if result_suffix(media, request.options) is None:
        raise OptionError("output_format", wrong_format(media, request.options.output_format))
    if request.model:
        resolve(context, request.model, to_wait=True)
    with open_source(context, old) as source:
        if source is None:
            raise RequestError(409, "The source of this task is gone. Send it again.")
    return context.operations.submit(
        make_draft(
            request,
            media,
            origin="api",
            source=Path(draft.source),
            original_filename=draft.original_filename,
            sha256=draft.sha256,
            size=draft.bytes,
            folder=draft.folder,
            retry_of=old.id,
        )
    )
