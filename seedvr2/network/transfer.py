"""How weights travel to the device: beside the computation, and in an order that keeps both sides safe.

A device works through what it is given in two lines, one of computation and one of copies. A mark is a point in one
of them for which the other can be made to wait; nothing here makes the processor wait.
"""

from __future__ import annotations

import contextlib
import logging
import weakref
from typing import Any, Protocol

import torch
from torch import Tensor

_log = logging.getLogger(__name__)
# For memory that any of a process's devices may read (cudaHostRegisterPortable).
_PORTABLE = 1

# A point in the line of computation or of copies, whatever the device has for it.
Mark = Any


class Transfer(Protocol):
    """What moving weights needs of a device."""

    def host_buffer(self, size: int) -> Tensor:
        """uint8 (size,) in main memory, from which the device can copy by itself."""

    def device_buffer(self, size: int) -> Tensor:
        """uint8 (size,) on the device."""

    def computed(self) -> Mark:
        """A mark behind all the computation that was asked for so far."""

    def copy(self, target: Tensor, source: Tensor, after: Mark) -> Mark:
        """Ask for a copy that begins once `after` is reached, and return the mark behind it at once.

        Copies are made one after another. A `source` on the device may be dropped at once; a `target` there may not,
        before the computation waits for the mark.
        """

    def wait(self, mark: Mark) -> None:
        """Let the computation that is asked for from now on wait for `mark`."""


def transfer_for(device: torch.device) -> Transfer | None:
    """The transfer to a device; None where the networks run in main memory and nothing has to travel."""
    return CudaTransfer(device) if device.type == "cuda" else None


class CudaTransfer:
    """The transfer to an NVIDIA GPU: pinned memory, a stream of copies, events."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def host_buffer(self, size: int) -> Tensor:
        """As in `Transfer`; not pinned where the system refuses, which is slower and as right."""
        buffer = torch.empty(size, dtype=torch.uint8)
        # Not torch's own pinned memory: that is handed out in powers of two, up to twice of what is needed.
        cuda = torch.cuda.cudart()  # type: ignore[no-untyped-call]
        address = buffer.data_ptr()
        if int(cuda.cudaHostRegister(address, size, _PORTABLE)) == 0:
            weakref.finalize(buffer, cuda.cudaHostUnregister, address).atexit = False
        else:
            _log.warning("%d MB of main memory could not be pinned; sending weights takes longer.", size >> 20)
            # The refusal stays noted, and the next kernel would be blamed for it.
            with contextlib.suppress(RuntimeError):
                torch.zeros(1, device=self._device)
        return buffer

    def device_buffer(self, size: int) -> Tensor:
        """As in `Transfer`."""
        return torch.empty(size, dtype=torch.uint8, device=self._device)

    def computed(self) -> Mark:
        """As in `Transfer`."""
        return torch.cuda.current_stream(self._device).record_event()

    def copy(self, target: Tensor, source: Tensor, after: Mark) -> Mark:
        """As in `Transfer`."""
        self._copies.wait_event(after)
        with torch.cuda.stream(self._copies):
            target.copy_(source, non_blocking=True)
        if source.is_cuda:
            # Its memory is not handed out again before the copy is done, though its last user drops it now.
            source.record_stream(self._copies)
        return self._copies.record_event()

    def wait(self, mark: Mark) -> None:
        """As in `Transfer`."""
        torch.cuda.current_stream(self._device).wait_event(mark)
