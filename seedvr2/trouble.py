"""Which errors are the machine's own, and which mean that memory ran out: the one place that knows."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from seedvr2.errors import MachineError

_NAMES = (
    # The disk: full, read-only, failing, pulled out.
    *("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ENOMEDIUM"),
    # Permissions, also those of an encrypted folder that is locked.
    *("EACCES", "EPERM", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED"),
    # What the system hands out in numbers.
    *("EMFILE", "ENFILE", "ENOLCK"),
    # A share whose server or helper process is gone.
    *("ESTALE", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENOLINK", "EREMOTEIO"),
    *("ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "ESHUTDOWN"),
)
# Not every system has all of them.
MACHINE_TROUBLE = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))

# How libraries that have no error of their own for it say that memory ran out: torch, C++, oneDNN, Pillow's decoders.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "std::bad_alloc", "out of memory", "Cannot allocate")


def is_machine_trouble(error: OSError) -> bool:
    """Whether an error tells of the machine and not of the file: the next file would fare no better.

    A file or folder that does not exist is not among them: only who asked for it knows whose it was.
    """
    return error.errno in MACHINE_TROUBLE


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, of whatever library, means that memory could not be had."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    # `torch.OutOfMemoryError`, too, is a RuntimeError with such a text.
    return isinstance(error, (RuntimeError, OSError)) and any(text in str(error) for text in _OUT_OF_MEMORY)


def refusal(path: Path, error: OSError) -> MachineError:
    """What to raise where the system does not let a file or a folder be read."""
    number = error.errno or 0
    return MachineError(f"{path} cannot be read ({os.strerror(number)}); check its permissions and its disk.", number)
