"""`GET /api/frame/{id}`: one frame of a result or source as a PNG, for browsers that cannot show the file itself."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle

from daemon.api.asked import FrameQuery
from daemon.api.at_once import AtOnce
from daemon.api.bodies import query
from daemon.api.context import Context
from daemon.api.download import result_path
from daemon.api.route import Route
from daemon.api.source import GONE, open_source
from daemon.errors import RequestError
from daemon.jobs.job import Job, State

RESULT = "result"
AT_ONCE = 2
PATIENCE_S = 20.0
_OURS = re.compile(r"[0-9a-f]{16}\.png")


class Frames:
    """Draws frames, each into a file of `folder` that has no name any more when it is sent."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        # Decoding takes time and memory; the other threads must stay free for the API.
        self._at_once = AtOnce(AT_ONCE, "Too many frames are being drawn.", retry_s=5, patience_s=PATIENCE_S)
        self._tidy()

    def draw(self, job: Job, which: str, at: float) -> int:
        """The descriptor of a PNG. Raises RequestError and errors of the engine."""
        with self._at_once.place(), self._file(job, which) as (path, size):
            return self._drawn(path, at if job.draft.media.kind == "video" else None, size)

    @contextlib.contextmanager
    def _file(self, job: Job, which: str) -> Iterator[tuple[Path, tuple[int, int]]]:
        """The file, and the size that it is shown in."""
        if which == RESULT:
            if job.result is None or job.state is not State.COMPLETED:
                raise RequestError(400, f"Task {job.id} is {job.state}; only a completed one has a result.")
            yield result_path(job, self._context.config.paths.outputs), (job.result.width, job.result.height)
            return
        with open_source(self._context, job) as source:
            if source is None:
                raise RequestError(404, GONE)
            yield source.path, (job.draft.media.width, job.draft.media.height)

    def _drawn(self, path: Path, at: float | None, size: tuple[int, int]) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{secrets.token_hex(8)}.png"
        try:
            self._context.executor.draw_frame(path, at, size, target)
            return os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        finally:
            target.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove what a crash left."""
        with contextlib.suppress(OSError):
            for file in self._folder.iterdir():
                if _OURS.fullmatch(file.name):
                    file.unlink(missing_ok=True)


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    frames = Frames(context, context.config.paths.state / "frames")

    def frame(task_id: str) -> Any:
        asked = query(FrameQuery)
        job = context.operations.find(task_id)
        # Neither of the two files changes as long as there is this task.
        etag = f'"{job.id}-{asked.of}-{asked.at:g}"'
        headers = {"Content-Type": "image/png", "ETag": etag, "Cache-Control": "private, max-age=3600"}
        if bottle.request.get_header("If-None-Match") == etag:
            return bottle.HTTPResponse(status=304, headers=headers)
        drawn = os.fdopen(frames.draw(job, asked.of, asked.at), "rb")
        headers["Content-Length"] = str(os.fstat(drawn.fileno()).st_size)
        return bottle.HTTPResponse(drawn, 200, headers=headers)

    return [Route("GET", "/api/frame/<task_id>", frame, "One frame of a result or of its source, as PNG")]
