"""What waits, runs and is done."""

from __future__ import annotations

from daemon.api.answers.queue import Held, History, Position, QueueStatus
from daemon.api.asked import HistoryQuery
from daemon.api.described.examples import CREATED, ENDED, ID, PARAMS, RESULT, TASK, UNKNOWN_TASK
from daemon.api.described.operation import Operation, Table

OPERATIONS: Table = {
    ("GET", "/api/queue/status"): Operation(
        "Queue", "get_queue_status", QueueStatus,
        {"busy": {
            "queue_length": 1, "in_system": 2,
            "processing": {"task_id": ID, "progress": 50, "model": "3b_fp8", "eta_s": 12.5},
            "running": [{"task_id": ID, "progress": 50, "model": "3b_fp8", "eta_s": 12.5}],
            "processing_task_id": ID, "processing_progress": 50,
            "pending_tasks": [
                {
                    "task_id": "77de0b12", "id": "77de0b12", "position": 2, "created_at": CREATED, "params": PARAMS,
                    "waiting_for": None,
                }
            ],
            "total_completed": 10, "total_failed": 0, "total_cancelled": 0, "avg_process_time": 25,
            "estimated_total_wait": 50, "paused": None, "held_by": None, "held_until": None, "hours": None,
            "inbox_path": "/srv/seedvr2/inbox",
        }},
    ),
    ("POST", "/api/queue/pause"): Operation(
        "Queue", "pause_queue", Held,
        {"paused": {
            "status": "paused", "reason": "the queue is paused; resume it to go on", "held_by": "request",
            "held_until": None,
        }},
        {400: '"now" is true or false.'},
        body="PauseRequest",
        about="No task is begun until it is resumed, also after a restart. A running video stops where its present "
        "segment is finished, a picture runs to its end; `now` stops both, and costs at most that segment or picture.",
    ),
    ("POST", "/api/queue/resume"): Operation(
        "Queue", "resume_queue", Held,
        {"running": {"status": "running", "reason": None, "held_by": None, "held_until": None}},
        about="Outside of the hours of `queue.hours` it stays `paused` until `held_until`.",
    ),
    ("GET", "/api/queue/position/<task_id>"): Operation(
        "Queue", "get_queue_position", Position,
        {"queued": {"task_id": ID, "status": "queued", "position": 3, "estimated_wait": 75}},
        {404: UNKNOWN_TASK},
    ),
    ("GET", "/api/queue/history"): Operation(
        "Queue", "get_queue_history", History,
        {"one": {"history": [{
            "id": ID, "status": "completed", "created_at": CREATED, "completed_at": ENDED, "process_time": 25.0,
            "original_filename": "video.mp4", "source": "api", "params": PARAMS, "media": TASK["media"], **RESULT,
            "available": True,
        }]}},
        {400: "limit takes a whole number, not 'many'."},
        query=HistoryQuery,
    ),
}  # fmt: skip
