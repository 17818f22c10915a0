"""`GET /api/thumbnail/{id}`: a small picture of a task, made when it is first asked for and kept."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import threading
import time
from pathlib import Path
from typing import Any

import av
import bottle
from PIL import Image, ImageOps, UnidentifiedImageError

from daemon.api.context import Context
from daemon.api.route import Route
from daemon.api.source import open_source
from daemon.engine.decoding import decoding
from daemon.errors import RequestError
from daemon.jobs.job import Job
from daemon.store.files import write_durably
from seedvr2.errors import OutOfMemoryError
from seedvr2.trouble import is_out_of_memory

log = logging.getLogger(__name__)
EDGE = 384
MAX_FILES = 2000
# Larger pictures would take hundreds of megabytes for a stamp.
MAX_PIXELS = 80_000_000
AT_ONCE = 2
PATIENCE_S = 20.0
NONE = "There is no thumbnail of this task."


class Thumbnails:
    """WebP pictures of at most EDGE pixels in `folder`; no more than MAX_FILES of them."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def get(self, job: Job) -> bytes | None:
        """The picture, or None if nothing is left to make it from.

        Raises:
            RequestError: too many are being made, or memory is short.
        """
        path = self._folder / f"{job.id}.webp"
        if path.is_file():
            return path.read_bytes()
        # Decoding takes time and memory; the other threads must stay free for the API.
        if not self._places.acquire(timeout=PATIENCE_S):
            raise RequestError(503, "Too many thumbnails are being made.", headers={"Retry-After": "5"})
        try:
            picture = self._make(job)
        except (OutOfMemoryError, MemoryError) as error:
            text = "There is no memory for a thumbnail now."
            raise RequestError(503, text, headers={"Retry-After": "30"}) from error
        finally:
            self._places.release()
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
        with open_source(self._context, job) as source:
            if source is not None:
                # The smaller of the two, and at this size they look the same.
                return draw(source.path, media.kind, (media.width, media.height))
        if job.result is not None and Path(job.result.path).is_file():
            return draw(Path(job.result.path), media.kind, (job.result.width, job.result.height))
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


def draw(path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
    """A WebP picture of a picture or video that is shown in `size` (width, height); None if that is not possible.

    Raises OutOfMemoryError or MemoryError.
    """
    if size[0] * size[1] > MAX_PIXELS:
        return None
    try:
        with decoding(path):
            image = _frame(path) if kind == "video" else _picture(path)
    except (OSError, ValueError, UnidentifiedImageError, av.FFmpegError) as error:
        if is_out_of_memory(error):
            raise
        return None
    if image is None:
        return None
    scale = min(EDGE / max(size), 1.0)
    small = image.resize((max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def _picture(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        # A JPEG is decoded at a fraction of its size.
        opened.draft("RGB", (EDGE, EDGE))
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            # 16 bits a sample: converting alone would cut off at 255.
            image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _frame(path: Path) -> Image.Image | None:
    """A frame from a tenth into the video: films begin in black."""
    with av.open(str(path)) as container:
        if container.duration:
            container.seek(container.duration // 10)
        for frame in container.decode(video=0):
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV has no type for it
            return image.rotate(frame.rotation, expand=True) if frame.rotation else image
    return None


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return time.time()
