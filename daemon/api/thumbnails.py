"""`GET /api/thumbnail/{id}`: a small picture of a task, made when it is first asked for and kept."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import bottle

from daemon.api.at_once import AtOnce
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.api.source import open_source
from daemon.errors import RequestError
from daemon.jobs.job import Job
from daemon.store.files import write_durably
from seedvr2.errors import OutOfMemoryError, SeedVR2Error

log = logging.getLogger(__name__)
MAX_FILES = 2000
# Larger pictures would take hundreds of megabytes for a stamp.
MAX_PIXELS = 80_000_000
AT_ONCE = 2
PATIENCE_S = 20.0
NONE = "There is no thumbnail of this task."


class Thumbnails:
    """Small WebP pictures in `folder`; no more than MAX_FILES of them."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        # Decoding takes time and memory; the other threads must stay free for the API.
        self._at_once = AtOnce(AT_ONCE, "Too many thumbnails are being made.", retry_s=5, patience_s=PATIENCE_S)

    def get(self, job: Job) -> bytes | None:
        """The picture, or None if nothing is left to make it from.

        Raises:
            RequestError: too many are being made, or memory is short.
        """
        path = self._folder / f"{job.id}.webp"
        if path.is_file():
            return path.read_bytes()
        with self._at_once.place():
            try:
                picture = self._make(job)
            except (OutOfMemoryError, MemoryError) as error:
                text = "There is no memory for a thumbnail now."
                raise RequestError(503, text, headers={"Retry-After": "30"}) from error
        if picture is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write_durably(path, picture, sync=False)
            except OSError as error:
                # It is made again when it is asked for again.
                log.warning("a thumbnail cannot be kept: %s", error.strerror)
            self.tidy()
        return picture

    def tidy(self) -> None:
        """Drop the pictures of deleted tasks, and the oldest if there are too many."""
        files = sorted(self._folder.glob("*.webp"), key=_age, reverse=True)
        for index, file in enumerate(files):
            if index >= MAX_FILES or self._context.store.get(file.stem) is None:
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)

    def _make(self, job: Job) -> bytes | None:
        media = job.draft.media
        if job.draft.refused:
            # The inbox refused it, since it is nothing that can be drawn.
            return None
        with open_source(self._context, job) as source:
            if source is not None:
                # The smaller of the two, and at this size they look the same.
                return self._draw(source.path, media.kind, (media.width, media.height))
        if job.result is not None and Path(job.result.path).is_file():
            return self._draw(Path(job.result.path), media.kind, (job.result.width, job.result.height))
        return None

    def _draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        if size[0] * size[1] > MAX_PIXELS:
            return None
        try:
            return self._context.executor.draw(path, kind, size)
        except OutOfMemoryError:
            raise
        except (OSError, SeedVR2Error) as error:
            log.warning("there is no thumbnail of %s: %s", path.name, error)
            return None


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    thumbnails = Thumbnails(context, context.config.paths.state / "thumbnails")
    thumbnails.tidy()

    def thumbnail(task_id: str) -> Any:
        picture = thumbnails.get(context.operations.find(task_id))
        if picture is None:
            raise RequestError(404, NONE)
        etag = f'"{hashlib.sha256(picture).hexdigest()[:16]}"'
        headers = {"Content-Type": "image/webp", "ETag": etag, "Cache-Control": "private, max-age=86400"}
        if bottle.request.get_header("If-None-Match") == etag:
            return bottle.HTTPResponse(status=304, headers=headers)
        return bottle.HTTPResponse(picture, 200, headers=headers)

    return [Route("GET", "/api/thumbnail/<task_id>", thumbnail, "A small picture of a task")]


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return time.time()
