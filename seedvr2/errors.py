"""Every error the engine raises on purpose. Each message is a sentence that says what to do.

SeedVR2Error
├── OptionError          a parameter has a value that it cannot take (`.name` says which)
├── MediaError           the source cannot be read, or the result cannot be written
├── CheckpointError      a weight file is missing, damaged, or not the model it should be
│   └── ModelNotInstalledError   the model is known but its file is not on this machine
├── DownloadError        a file of the catalogue could not be fetched or did not verify
├── OutOfMemoryError     the device ran out of memory, also after smaller tiles
└── Cancelled            the caller asked to stop; nothing was left behind
"""

from __future__ import annotations


class SeedVR2Error(Exception):
    """Base of everything that the engine raises on purpose."""


class OptionError(SeedVR2Error, ValueError):
    """A parameter has a value that it cannot take."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class MediaError(SeedVR2Error):
    """The source cannot be read, or the result cannot be written."""


class CheckpointError(SeedVR2Error):
    """A weight file is missing, damaged, or not the model it should be."""


class ModelNotInstalledError(CheckpointError):
    """The model is known but its file is not on this machine."""


class DownloadError(SeedVR2Error):
    """A file of the catalogue could not be fetched or did not verify."""


class OutOfMemoryError(SeedVR2Error):
    """The device ran out of memory, also after smaller tiles."""


class Cancelled(SeedVR2Error):  # noqa: N818 - an order carried out, not a fault
    """The caller asked to stop; nothing was left behind."""
