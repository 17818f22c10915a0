"""`POST /api/process`: send a file and what to do with it."""

from __future__ import annotations

from typing import Any

import bottle

from daemon.api import views
from daemon.api.bodies import body, json_object
from daemon.api.channel import FORM_KEY
from daemon.api.context import Context
from daemon.api.form import FormReceiver, Upload
from daemon.api.models import resolve
from daemon.api.pipe import FormPipe
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.jobs.drafts import digest, make_draft
from daemon.jobs.job import Job
from daemon.jobs.parameters import JobRequest
from daemon.work.naming import result_suffix, wrong_format
from seedvr2.errors import OptionError

# A client may say on whose behalf it sends; anything else is the API itself.
CLIENTS = ("api", "mcp")
ORIGIN_HEADER = "X-SeedVR2-Source"


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def process() -> dict[str, Any]:
        pipe: FormPipe | None = bottle.request.environ.get(FORM_KEY)
        if pipe is None:
            raise RequestError(400, "Send the file and the parameters as multipart/form-data.")
        try:
            return views.submitted(context, _submit(context, pipe.finish()))
        finally:
            # Whatever was not claimed is gone before the answer is.
            pipe.end()

    def submit(upload_id: str) -> dict[str, Any]:
        request = _wanted(context, json_object(body()))
        with context.kept.taken(upload_id) as upload:
            return views.submitted(context, _accept(context, request, upload))

    return [
        Route("POST", "/api/process", process, "Submit a picture or video"),
        Route("POST", "/api/uploads/<upload_id>/submit", submit, "Submit a file that a plan or preview has kept"),
    ]


def _submit(context: Context, form: FormReceiver) -> Job:
    request = _wanted(context, form.fields)
    if form.upload is None:
        raise RequestError(400, "The field 'file' is missing: it holds the picture or video.")
    return _accept(context, request, form.upload)


def _wanted(context: Context, fields: dict[str, Any]) -> JobRequest:
    """What is asked for, where it could be begun. Raises RequestError and OptionError."""
    request = JobRequest.parse(context.config.defaults, context.presets.layer(fields), fields)
    context.operations.check_room()
    if request.model:
        resolve(context, request.model, to_wait=True)
    return request


def _accept(context: Context, request: JobRequest, upload: Upload) -> Job:
    # Looked into while it is hidden: what is refused was never there.
    media = context.executor.probe(upload.path)
    if result_suffix(media, request.options) is None:
        raise OptionError("output_format", wrong_format(media, request.options.output_format))
    sha256 = digest(upload.path)
    origin = bottle.request.get_header(ORIGIN_HEADER, "api")
    draft = make_draft(
        request,
        media,
        origin=origin if origin in CLIENTS else "api",
        source=upload.final_path,
        original_filename=upload.filename,
        sha256=sha256,
        size=upload.size,
    )
    # On the disk before its record is, and in its place after: a crash in between loses neither.
    upload.sync()
    return context.operations.submit(draft, place=upload.claim)
