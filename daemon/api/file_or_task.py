"""Questions about a file that is sent for them alone, or about a task: a form with a file, or JSON that names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import bottle

from daemon.api.bodies import body, json_object
from daemon.api.channel import FORM_KEY
from daemon.api.context import Context
from daemon.api.form import Upload
from daemon.api.kept import FIELD, KEEP
from daemon.api.models import resolve
from daemon.api.pipe import FormPipe
from daemon.errors import RequestError
from daemon.jobs.parameters import PRIORITY, JobRequest

TASK_FIELD = "task_id"
Answer: TypeAlias = Callable[[dict[str, Any], Upload | None], dict[str, Any]]


def receive(context: Context, answer: Answer) -> dict[str, Any]:
    """What `answer` makes of the fields of the present request and of its file.

    A file that was sent goes afterwards, unless it is to be kept for the task; then `upload_id` of the answer names it.
    """
    pipe: FormPipe | None = bottle.request.environ.get(FORM_KEY)
    if pipe is None:
        return _answered(context, json_object(body()), None, answer)
    try:
        form = pipe.finish()
        return _answered(context, dict(form.fields), form.upload, answer)
    finally:
        # What nobody keeps was sent for this only.
        pipe.end()


def _answered(context: Context, fields: dict[str, Any], sent: Upload | None, answer: Answer) -> dict[str, Any]:
    keep, upload_id = _flag(fields), str(fields.pop(FIELD, None) or "").strip()
    if not upload_id:
        found = answer(fields, sent)
        return found | {FIELD: context.kept.keep(sent) if sent is not None and keep else None}
    if sent is not None:
        raise RequestError(400, f"Send either the field 'file' or the {FIELD!r} of one that is kept.")
    with context.kept.taken(upload_id) as kept:
        return answer(fields, kept) | {FIELD: upload_id}


def _flag(fields: dict[str, Any]) -> bool:
    """Whether the file is to be kept, taken out of the fields. Raises OptionError."""
    value = fields.pop(KEEP.name, None)
    return bool(KEEP.default if value in (None, "") else KEEP.parse(value))


def task_named(fields: dict[str, Any]) -> str:
    """The task that is asked about, taken out of the fields; empty if there is none."""
    return str(fields.pop(TASK_FIELD, None) or "").strip()


def request_of(context: Context, base: Mapping[str, Any], fields: dict[str, Any]) -> JobRequest:
    """What the job would be asked for: the values of `base` stand where nothing else is said. Raises RequestError."""
    fields.pop(PRIORITY.name, None)
    request = JobRequest.parse(context.config.defaults, base, context.presets.layer(fields), fields)
    if request.model:
        resolve(context, request.model)
    return request
