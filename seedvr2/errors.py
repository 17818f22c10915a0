"""Every error the engine raises on purpose. Each message is a sentence that says what to do.

SeedVR2Error
├── OptionError          a parameter has a value that it cannot take (`.name` says which)
├── MediaError           the source cannot be read, or the result cannot be made of it
│   └── TooLargeError            the source has more pixels than this machine can hold
├── MachineError         the machine refuses, whatever the file (`.errno` says how)
├── CheckpointError      a weight file is missing, damaged, or not the model it should be
│   ├── ModelNotInstalledError   the model is known but its file is not on this machine
│   │   └── IncompleteModelError     its file is, but not the VAE or the text embedding that it needs
│   └── NotOursError             a file of somebody else's, which is not to be removed
├── DaemonGoneError      the daemon that was to do it does not answer
├── DownloadError        a file of the catalogue could not be fetched or did not verify
├── OutOfMemoryError     there is not enough memory at the moment, or for this batch and these tiles
│   ├── MemoryTakenError         there is enough, but others hold it now; it fits once they give it back
│   └── NeverFitsError           the job needs more memory than this machine has at all; trying again is no use
├── NumericError         a network gave infinities or no numbers, in a wider type as well
├── Cancelled            the caller asked to stop; nothing was left behind
└── Yielded              the caller asked to give way; what is finished is kept, and the same call goes on with it
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
    """The source cannot be read, or the result cannot be made of it."""


class TooLargeError(MediaError):
    """The source has more pixels than this machine can hold."""


class MachineError(SeedVR2Error):
    """The machine refuses, whatever the file.

    A full or read-only disk, a folder that may not be written, too many open files, a network share that is gone: the
    next file would fare no better, and this one may be tried again once that has passed.
    """

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


class CheckpointError(SeedVR2Error):
    """A weight file is missing, damaged, or not the model it should be."""


class ModelNotInstalledError(CheckpointError):
    """The model is known but its file is not on this machine."""


class IncompleteModelError(ModelNotInstalledError):
    """A transformer is on this machine, but not all that it needs: the VAE or the text embedding is missing.

    `name` is the catalogue's name of the missing file, `model` that of the transformer.
    """

    def __init__(self, message: str, name: str, model: str = "") -> None:
        super().__init__(message)
        self.name = name
        self.model = model


class NotOursError(CheckpointError):
    """A file is somebody else's and not to be removed."""


class DaemonGoneError(SeedVR2Error):
    """The daemon that was to do it does not answer."""


class DownloadError(SeedVR2Error):
    """A file of the catalogue could not be fetched or did not verify."""


class OutOfMemoryError(SeedVR2Error):
    """There is not enough memory at the moment, or for this batch and these tiles."""


class MemoryTakenError(OutOfMemoryError):
    """The machine has memory enough for the job, but others hold it at the moment."""


class NeverFitsError(OutOfMemoryError):
    """The job needs more memory than this machine has at all; trying again is no use."""


class NumericError(SeedVR2Error):
    """A network gave infinities or no numbers, in a wider type as well: the result would be black, green or dotted."""


class Cancelled(SeedVR2Error):  # noqa: N818 - an order carried out, not a fault
    """The caller asked to stop; nothing was left behind."""


class Yielded(SeedVR2Error):  # noqa: N818 - an order carried out, not a fault
    """The caller asked to give way; the segments that are finished are kept, and the same call goes on with them."""
