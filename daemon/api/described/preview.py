"""What a task would take, and what it will look like."""

from __future__ import annotations

from daemon.api.answers.preview import Plan, Preview
from daemon.api.described.examples import ID, MODEL, PREVIEW_ID, UNKNOWN_TASK, UPLOAD_ID
from daemon.api.described.operation import Operation, Table, files

_KEPT = (
    "The file is forgotten, unless `keep` asks for more: then `upload_id` names it for half an hour, for "
    "POST /api/uploads/{upload_id}/submit, other plans and previews; it is null where the disk has no room to keep it."
)

OPERATIONS: Table = {
    ("POST", "/api/plan"): Operation(
        "Tasks", "plan_task", Plan,
        {"film": {
            "task_id": None, "upload_id": UPLOAD_ID, "width": 1920, "height": 1080, "frames": 172800,
            "duration_s": 7200.0, "output_width": 3840, "output_height": 2160, "output_format": "mp4", "model": MODEL,
            "seconds": 259200.0, "measured": True, "wait_s": 0, "frames_together": 5, "memory_bytes": 21500000000,
            "weights_bytes": 3900000000, "memory_free_bytes": 46800000000, "result_bytes": 35800000000,
            "disk_bytes": 71600000000, "disk_free_bytes": 512000000000, "fits": True, "why": None,
            "reasons": ["Frames of 3840x2160 in tiles of 1024 pixels."],
        }},
        {
            400: "Send either the field 'file' with a picture or video, or a 'task_id', or 'width' and 'height' in "
            "pixels, with 'frames' for a video.",
            404: UNKNOWN_TASK, 409: "Nothing is known of what is in the source of this task.",
        },
        form="PlanForm",
        about="Answers in about a second, also while a task runs: no model is loaded, and no frame of a video decoded "
        "but the first. Send a file, or name a task, or say how large the source is; the parameters are those of "
        f"POST /api/process, and all of it may as well be JSON. {_KEPT} Memory counts as free that the running "
        "task will have given back.",
    ),
    ("POST", "/api/preview"): Operation(
        "Tasks", "make_preview", Preview,
        {"film": {
            "id": PREVIEW_ID, "task_id": ID, "upload_id": None, "width": 480, "height": 270, "output_width": 1920,
            "output_height": 1080,
            "crop": {"x": 210, "y": 96, "width": 160, "height": 90}, "model": MODEL, "seconds": 2.1,
            "frames_together": 5, "warnings": [],
            "images": [
                {"strength": 0.0, "at": 60.02, "url": f"/api/preview/{PREVIEW_ID}/60.020s-plain.png"},
                {"strength": 1.0, "at": 60.02, "url": f"/api/preview/{PREVIEW_ID}/60.020s-strength-1.png"},
            ],
            "sheet": f"/api/preview/{PREVIEW_ID}/sheet.png", "kept_s": 900,
        }},
        {
            400: "strengths takes up to 8 numbers from 0 to 1, with commas between them, not '2'.", 404: UNKNOWN_TASK,
            409: "The source of this task is gone. Send it again.",
        },
        # Two kinds of body in one operation make clients that do not compile.
        form="PreviewForm",
        about="Answers in seconds, also while a task runs, which makes room and goes on: some frames of one shot, or a "
        "part of them, are restored once and mixed with the plain resize at each strength. Send a file, or "
        "name a task, whose parameters hold where no others are given; that may as well be JSON with the same fields. "
        + _KEPT,
    ),
    ("GET", "/api/preview/<preview_id>/<name>"): Operation(
        "Tasks", "get_preview_image", errors={
            404: "This preview is not kept any more; ask for it again.", 416: "The range lies outside of the file.",
        },
        media=files("image/png"), in_parts=True,
    ),
}  # fmt: skip
