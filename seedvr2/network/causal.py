"""Convolutions that are causal in time, and the memory that lets a clip pass through in slices.

Activations are (T, C, H, W) in channels-last order throughout the VAE. In memory that is the same as the
(1, C, T, H, W) channels-last-3d tensor that a 3-D convolution wants, so frames can be a batch for whatever works
on single frames (norms, attention, resampling) and a time axis for the convolutions, without a copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network.stored import expand


class CausalMemory:
    """The last input frames of each convolution, kept between the slices of one clip."""

    def __init__(self) -> None:
        self._frames: dict[nn.Module, Tensor] = {}
        self.first_slice = True

    def extend(self, conv: nn.Module, x: Tensor, needed: int, kept: int) -> Tensor:
        """`x` with `needed` frames in front: remembered ones, or copies of the first frame in the first slice.

        Args:
            conv: whose memory it is.
            x: (T, C, H, W), this slice's input.
            needed: frames to put in front in the first slice, kernel − 1.
            kept: frames to remember for the next slice, kernel − stride.
        """
        front = x[:1].expand(needed, -1, -1, -1) if self.first_slice else self._frames.pop(conv)
        x = torch.cat((front, x))
        # A copy, not a view: a view would keep the whole slice in memory.
        self._frames[conv] = x[len(x) - kept :].clone()
        return x


class CausalConv3d(nn.Module):
    """A convolution that sees no later frame; its edges are zero-padded in space and copied in time."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], *, stride: tuple[int, int] = (1, 1), padding: int = 0
    ) -> None:
        """`kernel` and `stride` are (time, space)."""
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel[0], kernel[1], kernel[1]))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor, memory: CausalMemory) -> Tensor:
        """(T, C, H, W) to (T / stride, outputs, H / stride, W / stride)."""
        weight, bias = expand(self.weight, x), expand(self.bias, x)
        if self.kernel[0] == 1 and self.stride[0] == 1:
            return F.conv2d(x, weight[:, :, 0], bias, self.stride[1], self.padding)
        x = memory.extend(self, x, self.kernel[0] - 1, self.kernel[0] - self.stride[0])
        stride, padding = (self.stride[0], *[self.stride[1]] * 2), (0, *[self.padding] * 2)
        clip = F.conv3d(x.transpose(0, 1)[None], weight, bias, stride, padding)
        return clip[0].transpose(0, 1)
