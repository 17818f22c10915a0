"""`GET /api/download/{id}`: the result, whole or in ranges."""

from __future__ import annotations

import mimetypes
import os
import re
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bottle

from daemon.api.asked import DownloadQuery
from daemon.api.bodies import query
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.jobs.job import Job, State


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def download(task_id: str) -> Any:
        job = context.operations.find(task_id)
        if job.state is not State.COMPLETED:
            raise RequestError(400, f"Task {job.id} is {job.state}; only a completed one has a result.")
        return send(result_path(job, context.config.paths.outputs))

    return [Route("GET", "/api/download/<task_id>", download, "The result of a completed task")]


def send(path: Path, *, inline: bool = False) -> Any:
    """A file, to be saved or (`inline`) shown, as far as the request's conditions and range ask for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise RequestError(404, "The result is not there any more.") from None
    return send_open(descriptor, path.name, inline=inline)


def send_open(descriptor: int, name: str, *, inline: bool = False) -> Any:
    """An open file, which is closed in the end, called `name`; as an attachment, unless it is to be shown."""
    file = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    headers = {
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "Content-Disposition": content_disposition(name, inline=inline or query(DownloadQuery).inline),
        "Accept-Ranges": "bytes",
        "Last-Modified": formatdate(status.st_mtime, usegmt=True),
        "ETag": f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"',
        "Cache-Control": "private, no-cache",
    }
    if _matches(bottle.request.get_header("If-None-Match", ""), headers["ETag"]):
        file.close()
        return bottle.HTTPResponse(status=304, headers={key: headers[key] for key in ("ETag", "Cache-Control")})
    asked = bottle.request.get_header("Range", "")
    condition = bottle.request.get_header("If-Range", "")
    if condition and condition not in (headers["ETag"], headers["Last-Modified"]):
        asked = ""
    chosen = parse_range(asked, status.st_size)
    if chosen is None:
        return bottle.HTTPResponse(file, 200, headers={**headers, "Content-Length": str(status.st_size)})
    start, length = chosen
    if length <= 0:
        file.close()
        raise RequestError(
            416, "The range lies outside of the file.", headers={"Content-Range": f"bytes */{status.st_size}"}
        )
    # Waitress sends Content-Length bytes from where the file stands, without holding a thread.
    file.seek(start)
    headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{status.st_size}"
    return bottle.HTTPResponse(file, 206, headers={**headers, "Content-Length": str(length)})


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and length of a single range; length 0 if it cannot be satisfied; None to send the whole file."""
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", header)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return size - length, length
    start = int(match[1])
    end = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < start:
        return None
    return start, max(end - start + 1, 0)


def content_disposition(name: str, *, inline: bool = False) -> str:
    """The header for a file of any name: an ASCII form for old clients, the true one in `filename*`."""
    kind = "inline" if inline else "attachment"
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%' else "_" for char in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"


def _matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))


def result_path(job: Job, outputs: Path) -> Path:
    """Where the result of a completed job is. Raises RequestError (404) where a link leads elsewhere by now."""
    assert job.result is not None
    path = Path(job.result.path)
    # The record has the true folder, also where a link leads there; one that has come since leads nowhere.
    resolved = path.resolve()
    if resolved != path and not resolved.is_relative_to(outputs.resolve()):
        raise RequestError(404, "The result is not there any more.")
    return path
