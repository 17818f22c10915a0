"""Makes a job-to-be from validated wishes and a file that was looked into; the inbox and the API share it."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path
from typing import Any

from daemon.jobs.job import Draft, Media
from daemon.jobs.parameters import JobRequest
from daemon.jobs.workload import work_of
from seedvr2 import __version__

# Where a job can come from.
ORIGINS = ("api", "inbox", "mcp")


def make_draft(
    request: JobRequest,
    media: Media,
    *,
    origin: str,
    source: Path,
    original_filename: str,
    sha256: str,
    size: int,
    **more: Any,
) -> Draft:
    """A job-to-be from validated wishes and a file that was looked into."""
    return Draft(
        origin=origin,
        source=str(source),
        original_filename=original_filename,
        sha256=sha256,
        bytes=size,
        media=media,
        options=request.options.as_dict(),
        work=work_of(media, request.options),
        engine_version=__version__,
        model=request.model,
        priority=request.priority,
        **more,
    )


def digest(path: Path) -> str:
    """The sha256 of a file, in hex; reads it in pieces."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
