"""What can go wrong in the service. Each message is a sentence that says what to do.

ServiceError
├── ConfigError      config.toml or the environment says something that cannot be
├── InstallError     a configuration or a service of systemd could not be put in place
├── ClusterError     machines could not be brought together
├── StoreError       the state folder cannot be read or written
├── RequestError     a request cannot be done; `.status` is its HTTP status, `.detail` goes into the answer
├── SidecarError     a sidecar or a preset is not valid
├── EngineError      the engine's process is in trouble, whatever the file
│   ├── EngineDiedError      it ended during a job (`.device` says whether because of the GPU)
│   └── EngineAwayError      it cannot be started now, or not with the GPU
└── EngineBugError   the engine failed in a way that nobody has thought of

CardFullError (an OutOfMemoryError of the engine): other programs hold the memory of the GPU
"""

from __future__ import annotations

from typing import Any

from seedvr2.errors import OutOfMemoryError


class ServiceError(Exception):
    """Base of everything that the service raises on purpose."""


class ConfigError(ServiceError):
    """The configuration says something that cannot be."""


class InstallError(ServiceError):
    """A configuration or a service of systemd could not be put in place."""


class ClusterError(ServiceError):
    """Machines could not be brought together: a secret, a certificate or a machine is not as it has to be."""


class StoreError(ServiceError):
    """The state folder cannot be read or written."""


class SidecarError(ServiceError):
    """A sidecar or a preset is not valid."""


class RequestError(ServiceError):
    """A request cannot be done. `status` is an HTTP status; `headers` go with the answer."""

    def __init__(self, status: int, message: str, *, detail: Any = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


class EngineError(ServiceError):
    """The engine's process is in trouble: a job that was in it waits again. The message has no capital and no stop."""


class EngineDiedError(EngineError):
    """The engine's process ended, or had to be ended, during a job. `device`: because of the GPU."""

    def __init__(self, message: str, *, device: bool = False) -> None:
        super().__init__(message)
        self.device = device


class EngineAwayError(EngineError):
    """The engine's process cannot be started now, or not on the device that it is to use; no job was begun."""


class EngineBugError(ServiceError):
    """The engine failed in a way that nobody has thought of; its log says more."""


class CardFullError(OutOfMemoryError):
    """There is not enough memory on the GPU, and much of it is held by other programs."""
