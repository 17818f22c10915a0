"""What can go wrong in the service. Each message is a sentence that says what to do.

ServiceError
├── ConfigError      config.toml or the environment says something that cannot be
├── StoreError       the state folder cannot be read or written
├── RequestError     a request cannot be done; `.status` is its HTTP status, `.detail` goes into the answer
└── SidecarError     a sidecar or a preset is not valid
"""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """Base of everything that the service raises on purpose."""


class ConfigError(ServiceError):
    """The configuration says something that cannot be."""


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
