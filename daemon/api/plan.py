"""`POST /api/plan`: what a task would take, before it is sent or while it waits: size, time, memory, disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daemon.api.asked import FACTS
from daemon.api.context import Context
from daemon.api.file_or_task import TASK_FIELD, receive, request_of, task_named
from daemon.api.form import Upload
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.jobs.job import Media
from daemon.jobs.parameters import MODEL, JobRequest
from daemon.jobs.workload import output_size, work_of
from daemon.store.files import free_bytes
from daemon.work.naming import result_suffix, wrong_format
from seedvr2.errors import OptionError
from seedvr2.options import Parameter
from seedvr2.units import gigabytes

MIB = 1 << 20
ASK = (
    "Send either the field 'file' with a picture or video, or a 'task_id', or 'width' and 'height' in pixels, with "
    "'frames' for a video."
)


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def plan() -> dict[str, Any]:
        return receive(context, lambda fields, upload: _plan(context, fields, upload))

    return [Route("POST", "/api/plan", plan, "What a task would take, before it is sent")]


def _plan(context: Context, fields: dict[str, Any], upload: Upload | None) -> dict[str, Any]:
    task_id, media = task_named(fields), _told({row: fields.pop(row.name) for row in FACTS if row.name in fields})
    if (upload is not None) + bool(task_id) + (media is not None) != 1:
        raise RequestError(400, ASK)
    if task_id:
        job = context.operations.find(task_id)
        if job.draft.refused:
            raise RequestError(409, "Nothing is known of what is in the source of this task.")
        request = request_of(context, {**job.draft.options, MODEL.name: job.draft.model}, fields)
        return _foreseen(context, job.draft.media, request, job.draft.bytes) | {TASK_FIELD: task_id}
    request = request_of(context, {}, fields)
    if upload is not None:
        media = context.executor.probe(upload.path)
    assert media is not None
    return _foreseen(context, media, request, upload.size if upload else _likely_bytes(media)) | {TASK_FIELD: None}


def _told(facts: dict[Parameter, Any]) -> Media | None:
    """A source of which these are known; None if none are. Raises RequestError (400) and OptionError."""
    if not facts:
        return None
    told = {row.name: row.parse(value) for row, value in facts.items() if value not in (None, "")}
    width, height, frames = (told.get(row.name) for row in FACTS)
    if width is None or height is None:
        raise RequestError(400, ASK, detail={"field": "height" if width else "width"})
    return Media("video" if (frames or 1) > 1 else "picture", width, height, frames or 1)


def _likely_bytes(media: Media) -> int:
    """Of a source of which only the size is known: it bounds how small the result may be, so not too little."""
    return media.width * media.height * media.frames


def _foreseen(context: Context, media: Media, request: JobRequest, size: int) -> dict[str, Any]:
    options, estimates = request.options, context.estimates
    suffix = result_suffix(media, options)
    if suffix is None:
        raise OptionError("output_format", wrong_format(media, options.output_format))
    model = request.model or estimates.default
    known = bool(model) and estimates.knows(model)
    # A measurement beside a running job would be wrong, and would hold it up.
    timed = not known and context.worker.current is None
    plan = context.executor.foresee(media, options, model=request.model, suffix=suffix, size=size, timed=timed)
    width, height = output_size(media, options)
    work = work_of(media, options)
    least, counted = plan.pop("least_bytes"), plan.pop("seconds")
    if counted and plan["model"]:
        estimates.expect(plan["model"], work, counted)
    known = estimates.knows(plan["model"] or model)
    plan["seconds"] = round(work / estimates.speed(plan["model"] or model), 1) if known else None
    plan["measured"] = estimates.ran(plan["model"] or model)
    plan["wait_s"] = round(context.estimates.total(context.queue.waiting()) + context.operations.running_s())
    plan |= _disk(context, plan, least)
    missing = context.worker.model_trouble(request.model)
    if missing:
        plan |= {"fits": False, "why": missing}
    if plan["why"]:
        plan["why"] = context.redact(plan["why"])
    return {
        "width": media.width,
        "height": media.height,
        "frames": media.frames,
        "duration_s": media.duration_s,
        "output_width": width,
        "output_height": height,
        "output_format": suffix[1:],
        **plan,
    }


def _disk(context: Context, plan: dict[str, Any], least: int) -> dict[str, Any]:
    """What the disk of the results has, and what that means for a job that memory would hold."""
    spare = context.config.jobs.min_free_mb * MIB
    free = _free(context.config.paths.outputs)
    found: dict[str, Any] = {"disk_free_bytes": free}
    if free is None or not plan["fits"] or plan["disk_bytes"] + spare <= free:
        return found
    takes = f"The result takes about {gigabytes(plan['disk_bytes'])} of the disk of the results"
    why = f"{takes}, which has {gigabytes(max(free - spare, 0))} for it; free some, or use a smaller resolution."
    # How large a video becomes is known roughly; below the least it would not be begun.
    return found | {"fits": False if least + spare > free else None, "why": why}


def _free(folder: Path) -> int | None:
    try:
        return free_bytes(folder)
    except OSError:
        return None
