"""Questions about a file that is sent for them alone, or about a task: a form with a file, or JSON that names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import bottle

from daemon.api.bodies import body, json_object
from daemon.api.channel import FORM_KEY
from daemon.api.context import Context
from daemon.api.form import Upload
from daemon.api.models import resolve
from daemon.api.pipe import FormPipe
from daemon.jobs.parameters import PRIORITY, JobRequest

TASK_FIELD = "task_id"


def receive(answer: Callable[[dict[str, Any], Upload | None], dict[str, Any]]) -> dict[str, Any]:
    """What `answer` makes of the fields of the present request and of its file, which goes afterwards."""
    pipe: FormPipe | None = bottle.request.environ.get(FORM_KEY)
    if pipe is None:
        return answer(json_object(body()), None)
    try:
        form = pipe.finish()
        return answer(dict(form.fields), form.upload)
    finally:
        # The file was sent for this only.
        pipe.end()


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
