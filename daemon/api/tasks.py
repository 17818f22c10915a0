"""`/api/status/{id}`, `/api/tasks/{id}`: one task, and what can be done to it."""

from __future__ import annotations

from typing import Any

from daemon.api import views
from daemon.api.context import Context
from daemon.api.route import Route


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    operations = context.operations

    def status(task_id: str) -> dict[str, Any]:
        return views.task(context, operations.find(task_id))

    def cancel(task_id: str) -> dict[str, Any]:
        job = operations.cancel(task_id)
        return {"status": "cancelled" if job.finished else "cancelling", "task_id": job.id}

    def retry(task_id: str) -> dict[str, Any]:
        return views.submitted(context, operations.retry(task_id)) | {"retry_of": task_id}

    def delete(task_id: str) -> dict[str, Any]:
        operations.delete(task_id)
        return {"status": "deleted", "task_id": task_id}

    return [
        Route("GET", "/api/status/<task_id>", status, "State and progress of a task"),
        Route("POST", "/api/tasks/<task_id>/cancel", cancel, "Cancel a waiting or running task"),
        Route("POST", "/api/tasks/<task_id>/retry", retry, "Run a failed or cancelled task again, as a new one"),
        Route("DELETE", "/api/tasks/<task_id>", delete, "Delete a finished task and its files"),
    ]
