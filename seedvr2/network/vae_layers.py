"""The parts of the VAE: residual blocks, attention within a frame, down- and upsampling (engine.md, section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network.causal import CausalConv3d, CausalMemory
from seedvr2.network.dit_layers import Linear
from seedvr2.network.stored import expand

NORM_EPS = 1e-6
# Convolutions work on so many channels at a time: a number between costs as much as the next multiple, and a copy.
BLOCK = 16


class GroupNorm(nn.Module):
    """Group norm with the statistics of each frame on its own."""

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(T, C, H, W) to the same."""
        return F.group_norm(x, self.groups, expand(self.weight, x), expand(self.bias, x), NORM_EPS)


class ResnetBlock(nn.Module):
    """Norm, SiLU, convolution, twice, plus the input."""

    def __init__(self, inputs: int, outputs: int, groups: int, kernel: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, inputs)
        self.conv1 = CausalConv3d(inputs, outputs, (kernel, 3), padding=1)
        self.norm2 = GroupNorm(groups, outputs)
        self.conv2 = CausalConv3d(outputs, outputs, (kernel, 3), padding=1)
        self.conv_shortcut = CausalConv3d(inputs, outputs, (1, 1)) if inputs != outputs else None
        self.idle = False
        self.adds_to = slice(None)

    def skip_idle_channels(self) -> None:
        """Leave out the first and last channels that the branch adds nothing to, and the branch if those are all.

        In the embedded model many branches are idle, and the others leave a third of the channels as they are.
        """
        parts = (self.conv2.weight, self.conv2.bias)
        if not all(isinstance(part, Tensor) for part in parts):
            return
        used = torch.stack([part.view(len(part), -1).any(1) for part in parts]).any(0)
        self.idle = not used.any()
        if self.idle or used.all():
            return
        channels = used.nonzero().flatten()
        first, last = int(channels[0]), int(channels[-1])
        self.adds_to = slice(first // BLOCK * BLOCK, min((last // BLOCK + 1) * BLOCK, len(used)))
        for name, part in zip(("weight", "bias"), parts, strict=True):
            setattr(self.conv2, name, nn.Parameter(part[self.adds_to], requires_grad=False))

    def forward(self, x: Tensor, memory: CausalMemory) -> Tensor:
        """(T, inputs, H, W) to (T, outputs, H, W)."""
        skip: Tensor = x if self.conv_shortcut is None else self.conv_shortcut(x, memory)
        if self.idle:
            return skip
        hidden: Tensor = self.conv1(F.silu(self.norm1(x)), memory)
        added: Tensor = self.conv2(F.silu(self.norm2(hidden)), memory)
        if added.shape == skip.shape:
            return skip + added
        result = skip.clone() if skip is x else skip
        result[:, self.adds_to] += added
        return result


class FrameAttention(nn.Module):
    """Self-attention over the pixels of one frame, with one head of full width."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = GroupNorm(groups, channels)
        self.to_q, self.to_k, self.to_v = (Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        """(T, C, H, W) to the same."""
        pixels = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (part(pixels)[:, None] for part in (self.to_q, self.to_k, self.to_v))
        answer = self.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0])
        result: Tensor = x + answer.transpose(1, 2).reshape(x.shape)
        return result


class MidBlock(nn.Module):
    """Residual block, attention where the model has it, residual block."""

    def __init__(self, channels: int, groups: int, kernel: int, *, attention: bool) -> None:
        super().__init__()
        if attention:
            self.attentions = nn.ModuleList([FrameAttention(channels, groups)])
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, groups, kernel) for _ in range(2))

    def forward(self, x: Tensor, memory: CausalMemory) -> Tensor:
        """(T, C, H, W) to the same."""
        x = self.resnets[0](x, memory)
        for attention in getattr(self, "attentions", ()):
            x = attention(x)
        result: Tensor = self.resnets[1](x, memory)
        return result


class Downsample(nn.Module):
    """Halve the frame, and time where the temporal kernel is 3."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        stride = 2 if kernel == 3 else 1
        self.conv = CausalConv3d(channels, channels, (kernel, 3), stride=(stride, 2))

    def forward(self, x: Tensor, memory: CausalMemory) -> Tensor:
        """(T, C, H, W) to (T', C, H/2, W/2), padded with zeros on the right and at the bottom only."""
        result: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)), memory)
        return result


class Upsample(nn.Module):
    """Double the frame, and time where `factor` is 2, by spreading channels over space and time."""

    def __init__(self, channels: int, factor: int, kernel: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = CausalConv3d(channels, channels, (kernel, 3), padding=1)
        self.upscale_conv = CausalConv3d(channels, channels * 4 * factor, (1, 1))

    def skip_idle_channels(self) -> None:
        """Leave out the channels that are zero after the spreading, as most of the embedded model's are.

        Nothing is left out where all are in use: the convolutions stay as they are stored.
        """
        spread = (self.upscale_conv.weight, self.upscale_conv.bias)
        if not all(isinstance(part, Tensor) for part in (*spread, self.conv.weight)):
            return
        channels = self.conv.weight.shape[1]
        used = torch.stack([part.view(4 * self.factor, channels, -1).any(-1).any(0) for part in spread]).any(0)
        if used.any() and not used.all():
            for part in ("weight", "bias"):
                whole = self.upscale_conv.get_parameter(part)
                kept = whole.view(-1, channels, *whole.shape[1:])[:, used].flatten(0, 1)
                setattr(self.upscale_conv, part, nn.Parameter(kept, requires_grad=False))
            self.conv.weight = nn.Parameter(self.conv.weight[:, used], requires_grad=False)

    def forward(self, x: Tensor, memory: CausalMemory) -> Tensor:
        """(T, C, H, W) to (factor*T, C, 2H, 2W); the clip's second frame is dropped, as the model was trained."""
        t, _, h, w = x.shape
        spread = self.upscale_conv(x, memory)
        c = spread.shape[1] // (4 * self.factor)
        spread = spread.view(t, 2, 2, self.factor, c, h, w)
        # (t, row, column, frame, c, h, w) to (t frame) c (h row) (w column), channels last in memory.
        frames = spread.permute(0, 3, 5, 1, 6, 2, 4).reshape(t * self.factor, 2 * h, 2 * w, c).permute(0, 3, 1, 2)
        if memory.first_slice and self.factor > 1:
            frames = torch.cat((frames[:1], frames[self.factor :]))
        result: Tensor = self.conv(frames, memory)
        return result
