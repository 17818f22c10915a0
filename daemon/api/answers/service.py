"""Answers about the service itself: its health, its GPU, and what went wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import RootModel

from daemon.api.shapes import Answer, Number, OneOf, TaskId, Time, Whole, about, at_times
from daemon.outside.logs import LEVELS, PROCESSES
from daemon.work.worker import Activity


class ErrorDetail(Answer):
    """More for programs."""

    field: str = about("Which one is wrong.")


class Error(Answer):
    """What went wrong."""

    error: str = about("One sentence that says what to do.")
    detail: ErrorDetail = at_times()


class ApiDocument(RootModel[dict[str, Any]]):
    """OpenAPI 3.1."""


class Health(Answer):
    """Whether the service is well."""

    status: Literal["healthy", "unhealthy"]
    version: str
    queue_enabled: bool
    queue_length: Whole = about("Tasks that wait.")
    queue_held: str | None = about("Why no task is started though nothing is wrong.")
    timestamp: Time
    worker: Annotated[str, OneOf(tuple(Activity))]
    uptime_s: Number
    inbox: Literal["watching", "stopped"]
    inbox_pending: Whole = about("Files that are not complete yet.")
    kept_bytes: Whole = about("What is done of failed videos and kept for a retry, on the disk.")
    problems: list[str] = about("What is wrong now, a sentence each.")
    places: dict[str, str] = at_times("Of a cluster: state by name.")


class Place(Answer):
    """A GPU of the cluster."""

    id: str
    machine: str
    gpu_index: Whole
    kind: str = about("The name of the GPU, or cpu; empty: not known yet.")
    vram_mb: Whole
    free_mb: Whole
    engine: str
    models: dict[str, str] = about("SHA-256 by name, where known.")
    vae: str | None = about("SHA-256 of the VAE there, where known.")
    fetches: bool = about("Whether it fetches by itself what a task asks for ([model] auto_download).")
    here: bool = about("Whether it is on the machine of the service.")
    state: Literal["idle", "loading", "busy", "suspect", "refused"]
    why: str | None = about("It does not answer, or cannot work.")
    model: str | None = about("In memory.")
    unit: Whole | None = about("The segment that is made there.")
    task_id: TaskId | None
    shared: bool = about("It sees the folders of the service; if not, files are sent there and back.")


class Cluster(Answer):
    """The GPUs that work, on this machine and others."""

    mode: Literal["off", "local", "head", "join"]
    places: list[Place]
    problems: list[str]
    lacking: list[str] = about("Published models that running tasks wait for, since no machine has them.")


class GpuStatus(Answer):
    """The GPU in use, its memory and the model in it."""

    cuda_available: bool
    gpu_name: str | None
    vram_used_mb: Whole
    vram_total_mb: Whole
    model_loaded: bool
    current_model: str | None
    loading: bool
    loading_model: str | None
    processing: bool
    current_task: TaskId | None
    device: str
    model_idle_s: Number | None
    idle_timeout_s: Number
    ram_used_mb: Whole
    utilization: Number | None
    temperature_c: float | None
    power_w: Number | None
    gpu_uuid: str | None
    compute_capability: str | None
    driver_version: str | None
    cuda_version: str | None
    torch_version: str | None
    no_gpu_reason: str | None = about("Why the processor computes, in words.")
    places: list[Place] = at_times()


class Offloaded(Answer):
    """The memory of the GPU is free, or will be."""

    status: Literal["success"]
    message: Literal["GPU memory released"]
    deferred: bool = at_times("true: a task runs; the memory is released when it has ended.")


class Library(Answer):
    """A package that the service or its engine uses."""

    name: str
    version: str


class Folder(Answer):
    """A folder of the service, and the room on its disk."""

    name: str
    path: str
    free_bytes: Whole | None = about("Free on its disk.")
    total_bytes: Whole | None
    problem: str | None = about("Why its disk cannot be asked.")


class System(Answer):
    """What the service runs on."""

    version: str
    python: str
    system: str
    uptime_s: Number
    config_file: str | None
    libraries: list[Library]
    folders: list[Folder]
    problems: list[str] = about("What is wrong now, a sentence each.")


class LogLine(Answer):
    """One line of the log."""

    time: Time
    level: Annotated[str, OneOf((*LEVELS, "critical"))]
    process: Annotated[str, OneOf(PROCESSES)] = about("Whose it is; `files` looks into pictures and videos.")
    logger: str
    message: str


class Log(Answer):
    """The last lines of the log, oldest first."""

    lines: list[LogLine]
