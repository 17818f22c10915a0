"""The parts of the VAE: residual blocks, attention within a frame, downsampling (engine.md, section 3)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.kernels import norm_silu
from seedvr2.network.attending import attend
from seedvr2.network.causal import CausalConv3d, CausalMemory
from seedvr2.network.dit_layers import Linear
from seedvr2.network.parts import Part, consumed
from seedvr2.network.stored import expand

NORM_EPS = 1e-6
# Convolutions work on so many channels at a time: a number between costs as much as the next multiple, and a copy.
BLOCK = 16
# Queries of the attention within a frame at a time.
_QUERIES = 4096
# Pixels whose statistics are summed up in one number.
_PIXELS = 256


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

    def into(self, x: Tensor, out: Tensor) -> None:
        """The norm of `x`, then SiLU, into `out`, frame by frame: what lies between is then small."""
        last = x.is_contiguous(memory_format=torch.channels_last)
        if x.device.type != "cpu" or x.dtype != torch.float32 or not last:
            weight, bias = expand(self.weight, x), expand(self.bias, x)
            norm_silu(x, self.groups, weight, bias, NORM_EPS, out)
            return
        weight, bias = self.weight.double(), self.bias.double()
        for frame, target in zip(torch.split(x, 1), torch.split(out, 1), strict=True):
            scale, shift = self._affine(frame, weight, bias)
            F.silu(torch.addcmul(shift, frame, scale, out=target), inplace=True)

    def _affine(self, frame: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (1, C, 1, 1) that normalise a frame, from statistics as exact as float32 is.

        Torch's own, channels last on a processor, sum up all pixels in one number, which loses the last three digits of
        a large frame. So they are taken of some rows at a time.
        """
        _, channels, height, width = frame.shape
        rows = max(_PIXELS // width, 1)
        counts, means, variances = [], [], []
        for part in torch.split(frame.permute(0, 2, 3, 1)[0], height // rows * rows or height):
            blocks = part.view(-1, min(rows, len(part)), width, channels).permute(0, 3, 1, 2)
            pixels = blocks.shape[2] * blocks.shape[3]
            _, mean, spread = torch.native_group_norm(
                blocks, None, None, len(blocks), channels, pixels, self.groups, NORM_EPS
            )
            counts += [pixels] * len(blocks)
            means.append(mean.double())
            variances.append(spread.double() ** -2 - NORM_EPS)
        share = torch.tensor(counts, dtype=torch.float64)[:, None] / sum(counts)
        mean, variance = torch.cat(means), torch.cat(variances)
        centre = (share * mean).sum(0)
        spread = ((share * (variance + (mean - centre) ** 2)).sum(0) + NORM_EPS) ** -0.5
        scale = weight * spread.repeat_interleave(channels // self.groups)
        shift = bias - centre.repeat_interleave(channels // self.groups) * scale
        return scale.float().view(1, -1, 1, 1), shift.float().view(1, -1, 1, 1)


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
        used = torch.stack([part.reshape(len(part), -1).any(1) for part in parts]).any(0)
        self.idle = not used.any()
        if self.idle or used.all():
            return
        channels = used.nonzero().flatten()
        first, last = int(channels[0]), int(channels[-1])
        self.adds_to = slice(first // BLOCK * BLOCK, min((last // BLOCK + 1) * BLOCK, len(used)))
        for name, part in zip(("weight", "bias"), parts, strict=True):
            setattr(self.conv2, name, nn.Parameter(part[self.adds_to], requires_grad=False))

    def forward(self, parts: Iterable[Part], memory: CausalMemory) -> list[Part]:
        """Parts (T, inputs, H, W) to (T, outputs, H, W); they are given up one after another."""
        result = []
        for part in consumed(parts):
            skip = part.frames if self.conv_shortcut is None else self.conv_shortcut(part, memory)
            done = Part(skip, part.follows, part.opens)
            if not self.idle:
                window = self.conv1.look(part, memory, self.norm1)
                # Nothing is alive beside the convolutions that they do not need.
                del part, skip
                hidden = Part(self.conv1.answer(window), done.follows, done.opens)
                window = self.conv2.look(hidden, memory, self.norm2)
                del hidden
                done.frames = self._add(done, self.conv2.answer(window))
                del window
            result.append(done)
        return result

    def _add(self, skip: Part, added: Tensor) -> Tensor:
        frames = skip.frames
        if added.shape == frames.shape:
            return added.add_(frames)
        result = frames.clone() if self.conv_shortcut is None else frames
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
        result = torch.empty_like(x)
        for frame, out in zip(torch.split(x, 1), torch.split(result, 1), strict=True):
            pixels = self.group_norm(frame)[0].flatten(1).t()
            queries = self.to_q(pixels)[:, None] * pixels.shape[1] ** -0.5
            both = torch.stack((self.to_k(pixels), self.to_v(pixels)), 1)[:, :, None]
            # Where scores are written out (no fused attention takes heads as wide as this one), not all at once.
            rows = torch.split(out[0].flatten(1).t(), _QUERIES)
            for some, target in zip(torch.split(queries, _QUERIES), rows, strict=True):
                (answer,) = attend(some, both, [(len(some), len(both), 1)])
                target.copy_(self.to_out[0](answer[0, :, 0]))
            out += frame
        return result


class MidBlock(nn.Module):
    """Residual block, attention where the model has it, residual block."""

    def __init__(self, channels: int, groups: int, kernel: int, *, attention: bool) -> None:
        super().__init__()
        if attention:
            self.attentions = nn.ModuleList([FrameAttention(channels, groups)])
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, groups, kernel) for _ in range(2))

    def forward(self, parts: Iterable[Part], memory: CausalMemory) -> list[Part]:
        """(T, C, H, W) to the same."""
        parts = self.resnets[0](parts, memory)
        for attention in getattr(self, "attentions", ()):
            parts = [part.with_frames(attention(part.frames)) for part in consumed(parts)]
        result: list[Part] = self.resnets[1](parts, memory)
        return result


class Downsample(nn.Module):
    """Halve the frame, and time where the temporal kernel is 3."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        stride = 2 if kernel == 3 else 1
        self.conv = CausalConv3d(channels, channels, (kernel, 3), stride=(stride, 2))

    def forward(self, parts: Iterable[Part], memory: CausalMemory) -> list[Part]:
        """(T, C, H, W) to (T', C, H/2, W/2), padded with zeros on the right and at the bottom only."""
        return [part.with_frames(self.conv(part, memory)) for part in consumed(parts)]
