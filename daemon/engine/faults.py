"""Errors on their way through the pipe: by the name of their class on one side, raised as that class on the other."""

from __future__ import annotations

import logging

from daemon.engine.messages import Fault
from daemon.errors import CardFullError, EngineBugError, EngineDiedError
from seedvr2 import errors
from seedvr2.trouble import is_device_trouble, is_out_of_memory

log = logging.getLogger(__name__)
_KNOWN: dict[str, type[errors.SeedVR2Error]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.SeedVR2Error)
}
MEMORY = "There is not enough memory for this job. Ask for a smaller batch_size."


def as_fault(number: int, error: BaseException, others_mb: int = 0) -> Fault:
    """What to send of an error that answers the message `number`. What is nobody's doing goes into the log whole."""
    kind, message, errno = type(error).__name__, str(error), getattr(error, "errno", None) or 0
    if is_device_trouble(error):
        log.error("the GPU fails", exc_info=error)
        return Fault(number, "RuntimeError", _first_line(message), device=True)
    if isinstance(error, errors.SeedVR2Error):
        others = others_mb if isinstance(error, errors.OutOfMemoryError) else 0
        return Fault(number, _nearest(error), message, errno, str(getattr(error, "name", "")), others_mb=others)
    if is_out_of_memory(error):
        return Fault(number, "OutOfMemoryError", MEMORY, others_mb=others_mb)
    if isinstance(error, OSError):
        return Fault(number, "OSError", error.strerror or message, errno, str(error.filename or ""))
    log.error("unexpected error in the engine", exc_info=error)
    return Fault(number, kind, message)


def as_error(fault: Fault) -> Exception:
    """The error that a fault tells of."""
    if fault.device:
        return EngineDiedError(f"the GPU failed ({fault.message})", device=True)
    kind = _KNOWN.get(fault.kind)
    if kind is errors.OptionError:
        return errors.OptionError(fault.name, fault.message)
    if kind is errors.IncompleteModelError:
        return errors.IncompleteModelError(fault.message, fault.name)
    if kind is errors.MachineError:
        return errors.MachineError(fault.message, fault.number)
    if kind is errors.OutOfMemoryError and fault.others_mb:
        return CardFullError(
            f"Other programs hold {fault.others_mb} MiB of the GPU's memory; the task waits until they give it back."
        )
    if kind is not None:
        return kind(fault.message)
    if fault.kind == "OSError":
        return OSError(fault.number, fault.message, fault.name or None)
    return EngineBugError(f"The engine failed unexpectedly ({fault.kind}); the log says more.")


def _nearest(error: errors.SeedVR2Error) -> str:
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KNOWN)


def _first_line(text: str) -> str:
    """Of CUDA's errors the rest is advice for who debugs a program."""
    return text.partition("\n")[0][:200]
