"""What trouble of the machine means to a client: not its fault, and worth trying again. No answer names a path."""

from __future__ import annotations

import errno

from daemon.errors import RequestError
from seedvr2.errors import MachineError, NeverFitsError, OutOfMemoryError, TooLargeError
from seedvr2.trouble import is_machine_trouble, is_out_of_memory

RETRY = {"Retry-After": "30"}
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM = "The disk of the server is full. Free some space, then try again."
# A disk that is not mounted looks like a folder that is not there.
MISSING = (errno.ENOENT, errno.ENOTDIR)
REASONS = {
    errno.EROFS: "its disk is read-only",
    errno.EIO: "its disk reports errors",
    errno.EACCES: "it may not use one of its own folders",
    errno.EPERM: "it may not use one of its own folders",
    errno.EMFILE: "it has too many files open",
    errno.ENFILE: "its machine has too many files open",
    errno.ESTALE: "a network share that it uses is gone",
    errno.ENOTCONN: "a network share that it uses is gone",
    errno.ENOENT: "one of its own folders or files is missing",
    errno.ENOTDIR: "one of its own folders is missing",
}


def no_room() -> RequestError:
    """The disk is full."""
    return RequestError(507, NO_ROOM)


def no_memory() -> RequestError:
    """Memory is short at the moment."""
    return RequestError(503, "The server is short of memory. Try again later.", headers=RETRY)


def refused(number: int | None) -> RequestError:
    """The system refused with this error number."""
    if number in FULL:
        return no_room()
    if number == errno.ENOMEM:
        return no_memory()
    reason = REASONS.get(number or 0, "its disk or network share does not answer as it should")
    return RequestError(503, f"The server cannot do this now: {reason}. Try again later.", headers=RETRY)


def of_surroundings(error: BaseException) -> RequestError | None:
    """The refusal that an error of the machine means; None if it is something else."""
    if isinstance(error, NeverFitsError | TooLargeError):
        return RequestError(413, str(error))
    if isinstance(error, OutOfMemoryError):
        return RequestError(503, str(error), headers=RETRY)
    if isinstance(error, MachineError):
        return RequestError(507, str(error)) if error.errno in FULL else RequestError(503, str(error), headers=RETRY)
    if isinstance(error, OSError) and (is_machine_trouble(error) or error.errno in MISSING):
        return refused(error.errno)
    return no_memory() if is_out_of_memory(error) else None
