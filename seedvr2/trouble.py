"""Which errors are the machine's own, and which mean that memory ran out: the one place that knows."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from seedvr2.errors import MachineError

_NAMES = (
    # The disk: full, read-only, failing, pulled out; its file system finds itself or a block broken.
    *("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ENOMEDIUM", "EUCLEAN", "EBADMSG"),
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
_OUT_OF_MEMORY = (
    *("can't allocate memory", "not enough memory", "std::bad_alloc", "out of memory", "Cannot allocate"),
    # CUDA's libraries keep handles and workspaces of their own on the card.
    *("STATUS_ALLOC_FAILED", "STATUS_NOT_INITIALIZED", "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY"),
)
# What begins like an error of the device, but is only a call that it does not take: the next one may be right.
_REFUSED_CALL = ("invalid argument", "invalid configuration argument", "STATUS_NOT_SUPPORTED", "STATUS_BAD_PARAM")
_DEVICE = (
    *("CUDA error", "CUDA driver error", "HIP error", "device-side assert", "cudaError", "CUDA_ERROR"),
    *("cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS", "CUSOLVER_STATUS", "CUFFT_", "NVML_SUCCESS"),
    # At the start: no driver, none that fits, or one that does not come up.
    *("NVIDIA driver", "No CUDA GPUs are available", "CUDA driver initialization failed", "CUDA unknown error"),
)


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


def is_device_trouble(error: BaseException) -> bool:
    """Whether the GPU or its driver failed: whatever this process asks of them from now on fails as well.

    Memory that runs out is not among them, nor a call that a library does not support.
    """
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    text = str(error)
    return any(each in text for each in _DEVICE) and not any(each in text for each in _REFUSED_CALL)


def refusal(path: Path, error: OSError) -> MachineError:
    """What to raise where the system does not let a file or a folder be read."""
    number = error.errno or 0
    return MachineError(f"{path} cannot be read ({os.strerror(number)}); check its permissions and its disk.", number)
