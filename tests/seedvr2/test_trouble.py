"""Which errors are the machine's."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
import torch

from seedvr2.trouble import is_machine_trouble, is_out_of_memory

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
