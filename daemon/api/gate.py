"""Decides about a request as soon as its headers are there, before a byte of its body is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from daemon.api.access import check_access
from daemon.api.form import FormReceiver, too_large
from daemon.api.room import Room, Yielding
from daemon.errors import RequestError
from daemon.settings.keys import ServerSettings

MIB = 1 << 20
# Nothing but an upload needs a larger body.
MAX_BODY = MIB
# What a form may weigh besides its file.
FORM_SLACK = MIB
UPLOAD_PATH = "/api/process"
# Take a form with a file, or JSON that names a task.
FILE_OR_TASK_PATHS = ("/api/preview", "/api/plan")
_FORM = "multipart/form-data"


class Gate:
    """Admits or refuses requests. Called in the thread of the sockets, so it must not wait, least of all for a disk."""

    def __init__(
        self, server: ServerSettings, uploads: Path, min_free_bytes: int, yielding: Yielding | None = None
    ) -> None:
        self._server = server
        self._uploads = uploads
        self._room = Room(uploads, min_free_bytes, yielding)
        self._max_bytes = server.max_upload_mb * MIB

    def admit(
        self, method: str, path: str, headers: Mapping[str, str], content_length: int | None, version: str = "1.1"
    ) -> FormReceiver | None:
        """Where the body goes: into a form, or (None) into memory.

        Raises:
            RequestError: the request is refused.
        """
        check_access(self._server, method, path, headers, version)
        content_type = headers.get("content-type", "")
        if method != "POST" or not _brings_a_form(path.rstrip("/"), content_type):
            if content_length is not None and content_length > MAX_BODY:
                raise RequestError(413, f"The body is too large: this takes up to {MAX_BODY >> 10} KiB.")
            return None
        boundary = form_boundary(content_type)
        expected = content_length or 0
        if expected > self._max_bytes + FORM_SLACK:
            raise too_large(self._max_bytes)
        self._room.glance(expected)
        return FormReceiver(boundary, self._uploads, self._max_bytes, self._room, expected)


def _brings_a_form(path: str, content_type: str) -> bool:
    return path == UPLOAD_PATH or (path in FILE_OR_TASK_PATHS and _kind(content_type) == _FORM)


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def form_boundary(content_type: str) -> bytes:
    """The boundary of a multipart form. Raises RequestError (400) if it is none."""
    options = content_type.partition(";")[2]
    if _kind(content_type) != _FORM:
        raise RequestError(400, "Send the file and the parameters as multipart/form-data.")
    match = re.search(r'boundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', options, re.IGNORECASE)
    if match is None:
        raise RequestError(400, "The Content-Type of the form names no boundary.")
    return (match[1] or match[2]).encode("latin-1", "replace")
