"""Tasks: submitting, following and ending them."""

from __future__ import annotations

from daemon.api.answers.tasks import Cancelled, Deleted, Retried, Submitted, Task
from daemon.api.described.examples import DONE, ID, NO_MODEL, SUBMITTED, TASK, UNKNOWN_TASK, WAITING
from daemon.api.described.operation import Operation, Table

OPERATIONS: Table = {
    ("POST", "/api/process"): Operation(
        "Tasks", "submit_task", Submitted, {"queued": SUBMITTED},
        {400: "resolution takes a whole number from 16 to 16384, not '12'.", 404: NO_MODEL},
        form="SubmitForm",
        about="An empty value means the default. Nothing is stored unless all is valid and the file can be decoded.",
    ),
    ("POST", "/api/uploads/<upload_id>/submit"): Operation(
        "Tasks", "submit_upload", Submitted, {"queued": SUBMITTED},
        {
            400: "resolution takes a whole number from 16 to 16384, not '12'.",
            404: "This upload is not kept any more; send the file again.",
        },
        body="AgainRequest",
        about="A file that was sent with `keep` for POST /api/plan or POST /api/preview becomes a task without being "
        "sent once more.",
    ),
    ("GET", "/api/status/<task_id>"): Operation(
        "Tasks", "get_task", Task, {"processing": TASK, "completed": DONE}, {404: UNKNOWN_TASK}
    ),
    ("POST", "/api/tasks/<task_id>/cancel"): Operation(
        "Tasks", "cancel_task", Cancelled, {"waiting": {"status": "cancelled", "task_id": ID}},
        {404: UNKNOWN_TASK, 409: f"Task {ID} is completed; only a waiting or running one can be cancelled."},
        about="`cancelling`: it runs and will stop within seconds.",
    ),
    ("POST", "/api/tasks/<task_id>/retry"): Operation(
        "Tasks", "retry_task", Retried, {"queued": {**SUBMITTED, "task_id": "77de0b12", "retry_of": ID}},
        {404: UNKNOWN_TASK, 409: f"Task {ID} is completed; only a failed or cancelled one can be retried."},
    ),
    ("DELETE", "/api/tasks/<task_id>"): Operation(
        "Tasks", "delete_task", Deleted, {"deleted": {"status": "deleted", "task_id": ID}},
        {404: UNKNOWN_TASK, 409: f"Task {ID} is processing. Cancel it first."},
    ),
    ("POST", "/api/tasks/<task_id>/priority"): Operation(
        "Tasks", "set_task_priority", Task, {"waiting": WAITING},
        {
            400: "priority takes one of low, normal, high, not 'urgent'.",
            404: UNKNOWN_TASK,
            409: f"Task {ID} is completed; only a waiting one can change its priority.",
        },
        body="PriorityRequest",
    ),
    ("POST", "/api/tasks/<task_id>/again"): Operation(
        "Tasks", "run_task_again", Retried, {"queued": {**SUBMITTED, "task_id": "77de0b12", "retry_of": ID}},
        {
            400: "resolution takes a whole number from 16 to 16384, not '12'.",
            404: UNKNOWN_TASK,
            409: "The source of this task is gone. Send it again.",
        },
        body="AgainRequest",
        about="A new task for the same source, whatever became of the old one.",
    ),
}  # fmt: skip
