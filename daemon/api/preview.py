"""`POST /api/preview`: what a task will look like, before it runs or while others do."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TooLateError
from pathlib import Path
from typing import Any

from daemon.api.at_once import AtOnce
from daemon.api.context import Context
from daemon.api.download import send
from daemon.api.file_or_task import TASK_FIELD, receive, request_of, task_named
from daemon.api.form import Upload
from daemon.api.route import Route
from daemon.api.source import open_source
from daemon.errors import EngineBugError, EngineError, RequestError
from daemon.jobs.job import Media
from daemon.jobs.parameters import MODEL, JobRequest
from daemon.store.previews import Previews
from daemon.work.naming import result_suffix, wrong_format
from seedvr2.errors import Cancelled, OptionError
from seedvr2.preview.wish import NAMES, Wish

log = logging.getLogger(__name__)
# Each holds a thread of the API.
MOST_AT_ONCE = 2
# Loading a large model from a slow disk takes so long that it is better to say so.
LONGEST_S = 180.0
_LOOK_S = 0.5
GONE = "This preview is not kept any more; ask for it again."


class PreviewMaker:
    """Makes previews one at a time, whatever runs."""

    def __init__(self, context: Context, previews: Previews) -> None:
        self._context = context
        self._previews = previews
        self._at_once = AtOnce(MOST_AT_ONCE, "Other previews are being made; try again soon.", retry_s=5)
        # Megapixels a second of the last preview with each model.
        self._speeds: dict[str, float] = {}

    def make(self, fields: dict[str, Any], upload: Upload | None) -> dict[str, Any]:
        """Make one of the upload, or of the task that `fields` name. Raises RequestError and errors of the engine."""
        with self._at_once.place():
            wish = Wish.parse({name: fields.pop(name) for name in NAMES if name in fields})
            task_id = task_named(fields)
            if bool(task_id) == (upload is not None):
                raise RequestError(400, "Send either the field 'file' with a picture or video, or a 'task_id'.")
            if upload is not None:
                media = self._context.executor.probe(upload.path)
                return self._shown(upload.path, media, request_of(self._context, {}, fields), wish) | {TASK_FIELD: None}
            return self._of_task(task_id, fields, wish) | {TASK_FIELD: task_id}

    def _of_task(self, task_id: str, fields: dict[str, Any], wish: Wish) -> dict[str, Any]:
        job = self._context.operations.find(task_id)
        request = request_of(self._context, {**job.draft.options, MODEL.name: job.draft.model}, fields)
        with open_source(self._context, job) as source:
            if source is None:
                raise RequestError(409, "The source of this task is gone. Send it again.")
            return self._shown(source.path, job.draft.media, request, wish)

    def _shown(self, source: Path, media: Media, request: JobRequest, wish: Wish) -> dict[str, Any]:
        if result_suffix(media, request.options) is None:
            raise OptionError("output_format", wrong_format(media, request.options.output_format))
        with self._folder() as folder:
            found = self._computed(source, folder, request, wish)
            self._speeds[request.model] = found.pop("speed")
            for image in found["images"]:
                image["url"] = f"/api/preview/{folder.name}/{image.pop('name')}"
            sheet = f"/api/preview/{folder.name}/{found.pop('sheet')}"
            kept_s = self._previews.keep(folder)
        return {"id": folder.name, **found, "sheet": sheet, "kept_s": round(kept_s)}

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = self._previews.begin()
        try:
            yield folder
        except BaseException:
            self._previews.drop(folder)
            raise

    def _computed(self, source: Path, folder: Path, request: JobRequest, wish: Wish) -> dict[str, Any]:
        given_up = threading.Event()
        speed = self._speeds.get(request.model)
        future = self._context.worker.urgent(
            lambda executor: executor.preview(
                source,
                folder,
                request.options,
                wish,
                model=request.model,
                speed=speed,
                cancelled=lambda: given_up.is_set() or self._context.stopping.is_set(),
            )
        )
        try:
            return future.result(LONGEST_S)
        except TooLateError:
            given_up.set()
            if not future.cancel():
                # The engine stops at its next step; until then the file and the folder are in use.
                with contextlib.suppress(Exception):
                    future.result(LONGEST_S)
            raise RequestError(
                503,
                f"The preview was not ready after {LONGEST_S:.0f} s; try a smaller crop, or a smaller model.",
                headers={"Retry-After": "60"},
            ) from None
        except EngineError as error:
            raise RequestError(
                503, f"The engine cannot show this now: {error}. Try again soon.", headers={"Retry-After": "30"}
            ) from error
        except EngineBugError as error:
            raise RequestError(500, str(error)) from error
        except (Cancelled, CancelledError) as error:
            raise RequestError(503, "The service is stopping. Try again in a moment.") from error


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    previews = Previews(context.config.paths.state / "previews")
    maker = PreviewMaker(context, previews)

    def preview() -> dict[str, Any]:
        return receive(context, maker.make)

    def image(preview_id: str, name: str) -> Any:
        path = previews.find(preview_id, name)
        if path is None:
            raise RequestError(404, GONE)
        return send(path, inline=True)

    return [
        Route("POST", "/api/preview", preview, "Show what a task will look like, at several strengths"),
        Route("GET", "/api/preview/<preview_id>/<name>", image, "An image of a preview"),
    ]
