"""Files of tasks: results, sources, and pictures of them."""

from __future__ import annotations

import mimetypes

from daemon.api.asked import DownloadQuery, FrameQuery, ManyQuery
from daemon.api.described.examples import ID, UNKNOWN_TASK
from daemon.api.described.operation import Operation, Table, files
from daemon.api.shapes import BINARY
from seedvr2.options import OUTPUT_FORMATS

_RESULTS = files(*filter(None, (mimetypes.guess_type(f"x.{suffix}")[0] for suffix in OUTPUT_FORMATS)))
# Whatever was sent; these are the usual ones.
_SOURCES = files(
    "image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp", "image/gif", "video/mp4", "video/quicktime",
    "video/webm", "video/x-matroska", "video/x-msvideo", "video/mpeg",
)  # fmt: skip

OPERATIONS: Table = {
    ("GET", "/api/download/<task_id>"): Operation(
        "Tasks", "download_result",
        errors={
            400: f"Task {ID} is processing; only a completed one has a result.",
            404: UNKNOWN_TASK,
            416: "The range lies outside of the file.",
        },
        query=DownloadQuery,
        media=_RESULTS, in_parts=True,
        about="Understands `Range` (206), `If-Range` and `If-None-Match` (304).",
    ),
    ("GET", "/api/source/<task_id>"): Operation(
        "Tasks", "download_source",
        errors={404: "The source of this task is not there any more.", 416: "The range lies outside of the file."},
        media=_SOURCES, in_parts=True,
        about="What the task was made from, for a comparison; gone once the server has cleared it away.",
    ),
    ("GET", "/api/thumbnail/<task_id>"): Operation(
        "Tasks", "get_thumbnail",
        errors={404: "There is no thumbnail of this task.", 503: "Too many thumbnails are being made."},
        media=files("image/webp"),
        about="At most 384 pixels wide and high.",
    ),
    ("GET", "/api/frame/<task_id>"): Operation(
        "Tasks", "get_frame",
        errors={
            400: "of takes one of result, source, not 'both'.",
            404: UNKNOWN_TASK,
            503: "Too many frames are being drawn.",
        },
        query=FrameQuery,
        media=files("image/png"),
        about="In the size that it is displayed in, up to 33 megapixels, with 8 bits: for programs that "
        "cannot show the file itself, such as TIFF, ProRes or FFV1.",
    ),
    ("GET", "/api/tasks/download.zip"): Operation(
        "Tasks", "download_results",
        errors={400: "Say which: ids=3f9a1c07,77de0b12.", 404: UNKNOWN_TASK},
        query=ManyQuery,
        media={"application/zip": BINARY, "application/octet-stream": BINARY}, kept=False,
        about="The files are stored, not packed; those of the same name are told apart. Made while it is sent.",
    ),
}  # fmt: skip
