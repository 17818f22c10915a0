"""Which errors are the machine's."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
import torch

from seedvr2.trouble import is_device_trouble, is_machine_trouble, is_out_of_memory

THE_MACHINES = [
    "ENOSPC",
    "EDQUOT",
    "EROFS",
    "EIO",
    "EACCES",
    "EPERM",
    "EMFILE",
    "ENFILE",
    "ESTALE",
    "ENOTCONN",
    "ENODEV",
    "ENXIO",
    "EHOSTDOWN",
    "ETIMEDOUT",
]


@pytest.mark.parametrize("name", THE_MACHINES)
def test_the_next_file_would_fare_no_better(name: str) -> None:
    assert is_machine_trouble(OSError(getattr(errno, name), "no"))


@pytest.mark.parametrize("name", ["ENOENT", "EISDIR", "ENAMETOOLONG", "EFBIG", "EINVAL", "ENOMEM"])
def test_another_file_may_fare_better(name: str) -> None:
    assert not is_machine_trouble(OSError(getattr(errno, name), "no"))
    assert not is_machine_trouble(OSError("image file is truncated"))


def test_no_library_has_as_much_memory_as_this() -> None:
    for allocate in (lambda: torch.empty(2**50), lambda: np.empty(2**50), lambda: bytearray(2**50)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate()
        assert is_out_of_memory(caught.value)
    assert is_out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))


def test_other_errors_are_not_for_want_of_memory() -> None:
    with pytest.raises(ValueError) as caught:
        json.loads("out of memory")
    assert not is_out_of_memory(caught.value)
    with pytest.raises(RuntimeError) as wrong:
        torch.ones(2) @ torch.ones(3)
    assert not is_out_of_memory(wrong.value)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_memory_of_a_gpu_that_ran_out(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not is_device_trouble(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: unknown error",
        "CUDA error: unspecified launch failure",
        "CUDA error: uncorrectable ECC error encountered",
        "CUDA error: no kernel image is available for execution on the device",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "CUDA driver error: driver shutting down",
        "Found no NVIDIA driver on your system.",
        "CUDA unknown error - this may be due to an incorrectly set up environment",
    ],
)
def test_a_gpu_that_failed(text: str) -> None:
    assert is_device_trouble(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError(text))
    assert not is_device_trouble(ValueError(text))


@pytest.mark.parametrize("text", ["CUDA error: invalid argument", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED", "shapes"])
def test_a_call_that_is_refused_says_nothing_of_the_gpu(text: str) -> None:
    assert not is_device_trouble(RuntimeError(text))
