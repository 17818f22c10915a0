"""The service itself, and what happens in it."""

from __future__ import annotations

from daemon.api.answers.service import ApiDocument, Health, Log, System
from daemon.api.asked import LogQuery
from daemon.api.described.examples import CREATED, UNKNOWN_TASK
from daemon.api.described.operation import Operation, Table
from daemon.api.shapes import TEXT

_STREAM = {"text/event-stream": TEXT}
_EVENTS = "Events are `state` and `progress`; their data is a task, as GET /api/status/{task_id} answers it."
_DOWNLOADS = " `model` is about a download, as GET /api/models/pull lists it."

OPERATIONS: Table = {
    ("GET", "/health"): Operation(
        "Service", "get_health", Health,
        {"idle": {
            "status": "healthy", "version": "1.0.0", "queue_enabled": True, "queue_length": 0, "queue_held": None,
            "timestamp": CREATED, "worker": "idle", "uptime_s": 3600.0, "inbox": "watching", "inbox_pending": 0,
            "kept_bytes": 0, "problems": [],
        }},
        about="Needs no token, nor a Host header over HTTP/1.0. `problems` says what is wrong while it still serves. "
        "Answers 503 with the same keys once the worker is dead or the service stops.",
    ),
    ("GET", "/metrics"): Operation("Service", "get_metrics", media={"text/plain": TEXT}),
    ("GET", "/openapi.json"): Operation("Service", "get_openapi", ApiDocument),
    ("GET", "/api/system"): Operation(
        "Service", "get_system", System,
        {"one": {
            "version": "1.0.0", "python": "3.12.3", "system": "Linux 6.8.0 x86_64", "uptime_s": 3600.0,
            "config_file": "/etc/seedvr2d/config.toml", "libraries": [{"name": "torch", "version": "2.13.0"}],
            "folders": [{
                "name": "outputs", "path": "/srv/seedvr2/outputs", "free_bytes": 512000000000,
                "total_bytes": 1000000000000, "problem": None,
            }],
            "problems": [],
        }},
    ),
    ("GET", "/api/log"): Operation(
        "Service", "get_log", Log,
        {"one": {"lines": [
            {
                "time": CREATED, "level": "info", "process": "service", "logger": "daemon.service",
                "message": "listening on 127.0.0.1:8200",
            }
        ]}},
        {400: "level takes one of debug, info, warning, error, not 'loud'."},
        query=LogQuery,
        about="Of the service and the engine, since the start; without secrets, and folders by their names. What "
        "errors bring along, what libraries write by themselves and the lines of a cluster are in the journal.",
    ),
    ("GET", "/api/events"): Operation(
        "Events", "stream_events", errors={503: "Too many event streams are open."}, media=_STREAM,
        about=_EVENTS + _DOWNLOADS,
    ),
    ("GET", "/api/tasks/<task_id>/events"): Operation(
        "Events", "stream_task_events",
        errors={404: UNKNOWN_TASK, 503: "Too many event streams are open."},
        media=_STREAM,
        about=f"{_EVENTS} Begins with the present state and ends with the task.",
    ),
}  # fmt: skip
