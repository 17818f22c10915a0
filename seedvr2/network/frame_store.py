"""Where the frames wait that convolutions remember from one slice of a clip to the next.

At 1080p they are 14 GiB in half precision, more than all that the VAE computes with at a time. On a device they can
wait in main memory: each is used once a slice, in the same order every time, so the next one is on its way while the
present one is used.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from seedvr2.network.transfer import Mark, Transfer


class FrameStore(Protocol):
    """Frames (T, C, H, W), channels last in memory, by the layer that will ask for them."""

    def keep(self, layer: nn.Module, frames: Tensor) -> None:
        """Store a copy: `frames` may be a view of something much larger."""

    def take(self, layer: nn.Module) -> Tensor:
        """What was kept last, which is forgotten."""


class DeviceStore:
    """The frames stay where they are."""

    def __init__(self) -> None:
        self._frames: dict[nn.Module, Tensor] = {}

    def keep(self, layer: nn.Module, frames: Tensor) -> None:
        """As in `FrameStore`."""
        self._frames[layer] = frames.clone()

    def take(self, layer: nn.Module) -> Tensor:
        """As in `FrameStore`."""
        return self._frames.pop(layer)


class HostStore:
    """The frames wait in main memory, and are fetched one layer ahead."""

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        # In the order of their use. A buffer in main memory serves its layer for the whole clip.
        self._buffers: dict[nn.Module, Tensor] = {}
        self._kept: dict[nn.Module, tuple[torch.Size, torch.dtype]] = {}
        self._coming: dict[nn.Module, tuple[Tensor, Mark]] = {}

    def keep(self, layer: nn.Module, frames: Tensor) -> None:
        """As in `FrameStore`."""
        source = frames.permute(0, 2, 3, 1).contiguous()
        data = source.view(-1).view(torch.uint8)
        buffer = self._buffers.get(layer)
        if buffer is None or buffer.nbytes < data.nbytes:
            buffer = self._buffers[layer] = self._transfer.host_buffer(data.nbytes)
        # Copies are made in the order in which they are asked for, so nothing waits for this one by itself.
        self._transfer.copy(buffer[: data.nbytes], data, self._transfer.computed())
        self._kept[layer] = source.shape, source.dtype

    def take(self, layer: nn.Module) -> Tensor:
        """As in `FrameStore`."""
        self._fetch(layer)
        frames, mark = self._coming.pop(layer)
        self._transfer.wait(mark)
        order = list(self._buffers)
        following = order[order.index(layer) + 1 :][:1]
        if following and following[0] in self._kept:
            self._fetch(following[0])
        return frames

    def _fetch(self, layer: nn.Module) -> None:
        if layer in self._coming:
            return
        shape, dtype = self._kept.pop(layer)
        target = self._transfer.device_buffer(shape.numel() * dtype.itemsize)
        mark = self._transfer.copy(target, self._buffers[layer][: target.nbytes], self._transfer.computed())
        self._coming[layer] = target.view(dtype).view(shape).permute(0, 3, 1, 2), mark


class PlainHostStore:
    """Main memory without a line of copies: each copy is waited for."""

    def __init__(self) -> None:
        self._frames: dict[nn.Module, tuple[Tensor, torch.device]] = {}

    def keep(self, layer: nn.Module, frames: Tensor) -> None:
        """As in `FrameStore`."""
        self._frames[layer] = frames.cpu(), frames.device

    def take(self, layer: nn.Module) -> Tensor:
        """As in `FrameStore`."""
        frames, device = self._frames.pop(layer)
        return frames.to(device)


def host_store(transfer: Transfer | None) -> FrameStore:
    """A store in main memory, by a device's line of copies where it has one."""
    return HostStore(transfer) if transfer is not None else PlainHostStore()
