"""How frames travel between main memory and the device: without the processor's waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from seedvr2.pipeline.source_frames import Image


class FrameTransfer(Protocol):
    """What moving frames needs of a device. Each method may be called from another thread."""

    def staged(self, image: Image) -> Image:
        """The same image in memory that the device copies from by itself."""

    def fetched(self, image: Tensor) -> Callable[[], Image]:
        """Ask for a copy of an integer tensor in main memory; the call that is returned waits for it and gives it."""


def frame_transfer(device: torch.device) -> FrameTransfer:
    """The way of frames to and from a device."""
    return PinnedTransfer(device) if device.type == "cuda" else PlainTransfer()


class PlainTransfer:
    """Where the frames are in main memory already, or the device has no way of its own to it."""

    def staged(self, image: Image) -> Image:
        """As in `FrameTransfer`."""
        return image

    def fetched(self, image: Tensor) -> Callable[[], Image]:
        """As in `FrameTransfer`."""
        pixels: Image = image.cpu().numpy()
        return lambda: pixels


class PinnedTransfer:
    """To and from an NVIDIA GPU, through pinned memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def staged(self, image: Image) -> Image:
        """As in `FrameTransfer`; where the system refuses to pin more, the image as it is, which is as right."""
        try:
            # A thread begins on the first GPU, whichever is in use.
            with torch.cuda.device(self._device):
                pinned: Image = torch.from_numpy(image).pin_memory().numpy()
        except RuntimeError:
            return image
        return pinned

    def fetched(self, image: Tensor) -> Callable[[], Image]:
        """As in `FrameTransfer`."""
        host = torch.empty(image.shape, dtype=image.dtype, pin_memory=True)
        host.copy_(image, non_blocking=True)
        copied = torch.cuda.current_stream(self._device).record_event()

        def pixels() -> Image:
            copied.synchronize()
            result: Image = host.numpy()
            return result

        return pixels
