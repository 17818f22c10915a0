"""What the API document says about each route: its answers, examples and errors. Routes bring their own summary."""

from __future__ import annotations

from daemon.api.described import downloads, gpu, models, presets, preview, queue, service, tasks
from daemon.api.described.operation import Table

_TOPICS = (service, gpu, models, queue, tasks, preview, downloads, presets)
OPERATIONS: Table = {route: operation for topic in _TOPICS for route, operation in topic.OPERATIONS.items()}
