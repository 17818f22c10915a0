"""The headers by which a file is asked for in parts or only if it has changed, and those that say more of an answer."""

from __future__ import annotations

from typing import Any

from daemon.api.shapes import TEXT, Schema


def _sent(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": TEXT, "description": description}


def _told(description: str, schema: Schema = TEXT) -> dict[str, Any]:
    return {"description": description, "schema": schema}


IF_CHANGED = (_sent("If-None-Match", "The ETag of the file that the client has: 304 if it is the same."),)
IN_PARTS = (
    _sent("Range", "One part of the file, such as bytes=0-1023: 206; what cannot be read is ignored."),
    _sent("If-Range", "The ETag or Last-Modified of the file that the part belongs to; else all of it is sent."),
)
ETAG = {"ETag": _told("Another one where the file is another.")}
DISPOSITION = {"Content-Disposition": _told("The name of the file: in UTF-8 in filename*, in ASCII in filename.")}
WHOLE = {
    **DISPOSITION,
    "Last-Modified": _told("When it was written."),
    "Accept-Ranges": _told("bytes"),
}
PART = {"Content-Range": _told("bytes FIRST-LAST/SIZE")}
# Of errors, by their status.
OF_ERRORS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": _told("Bearer")},
    416: {"Content-Range": _told("bytes */SIZE")},
}
LATER = {"Retry-After": _told("Seconds until it is worth trying again.", {"type": "integer", "minimum": 1})}
