"""The decoder of nano in the form in which it is trained, and how that is written into the VAE's weights.

It works on patches of 2x2 pixels, where a small network learns fastest: their colours pass untouched beside features
that residual branches refine, and a linear head adds what the features say. The hints of the transformer about the
picture's faults stand beside both, constant throughout, so that every branch can act on them.

Group norms are left out: constant channels of ±K beside a channel that balances the mean turn each into a plain
scaling (`seedvr2.nano.initialise`), so a crop is decoded as it would be inside a large picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.nano.initialise import (
    COLOURS,
    HINTS,
    TRUNK,
    VAE_CONFIG,
    VAE_CONSTANT,
    find_conv,
    make_vae,
    spread_rows,
)
from seedvr2.nano.pca import COMPONENTS, Basis
from seedvr2.network.vae import VideoVAE
from seedvr2.network.vae_layers import ResnetBlock

BRANCHES = VAE_CONFIG.resnets + 1
KEPT = COLOURS + HINTS  # the first channels of the trunk, which no branch changes
FEATURES = TRUNK.used - KEPT
HIDDEN = 48
LAST_FEATURES = 13  # per pixel, for the head

# How far inputs are scaled up before a SiLU: small textures must meet its bend, as they would meet a ReLU's.
SHARPNESS = 6.0


class Conv(nn.Module):
    """A convolution of odd kernel size whose weight is a matrix (outputs, inputs * size²), as Muon takes it."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, *, zero: bool = False) -> None:
        super().__init__()
        self._shape = (outputs, inputs, size, size)
        self.matrix = nn.Parameter(torch.zeros(outputs, inputs * size * size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if not zero:
            nn.init.kaiming_normal_(self.matrix)

    @property
    def weight(self) -> Tensor:
        """(outputs, inputs, size, size)."""
        return self.matrix.view(self._shape)

    def forward(self, x: Tensor, scale: float = 1.0, bias_scale: float = 1.0) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W), in the type of `x`."""
        weight, bias = self.weight * scale, self.bias * bias_scale
        return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=self._shape[-1] // 2)


class Branch(nn.Module):
    """SiLU, convolution, twice: what a residual block of the VAE adds to the features, seeing them and the hints."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv(HINTS + FEATURES, HIDDEN)
        self.conv2 = Conv(HIDDEN, FEATURES, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 5 + 44, H, W) to (N, 44, H, W)."""
        hidden = self.conv1(F.silu(x * SHARPNESS), bias_scale=SHARPNESS)
        refined: Tensor = self.conv2(F.silu(hidden), 1 / SHARPNESS)
        return refined


class PatchDecoder(nn.Module):
    """Latents (N, T, h, w, 33) to frames (N, T, 3, 4h, 4w)."""

    rows: Tensor

    def __init__(self, basis: Basis, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.dtype = dtype
        self.register_buffer("rows", spread_rows(basis).reshape(4 * COLOURS, COMPONENTS, 1, 1))
        self.entry = Conv(KEPT, FEATURES)
        self.branches = nn.ModuleList(Branch() for _ in range(BRANCHES))
        self.spread = Conv(HINTS + FEATURES, 4 * LAST_FEATURES, 1)
        self.head = Conv(LAST_FEATURES, 3, zero=True)

    def matrices(self) -> list[nn.Parameter]:
        """What Muon trains: the convolutions at half the size."""
        convs = [self.entry, *(conv for branch in self.branches for conv in branch.children())]
        return [conv.matrix for conv in convs]  # type: ignore[misc]

    def forward(self, latents: Tensor) -> Tensor:
        """The frames, in float32."""
        x = latents.flatten(0, 1).permute(0, 3, 1, 2)
        colours = _unfold(F.conv2d(x[:, :COMPONENTS].float(), self.rows))
        hints = F.interpolate(x[:, COMPONENTS:].to(self.dtype), scale_factor=2.0, mode="nearest")
        seen = torch.cat((colours.to(self.dtype), hints), 1).contiguous(memory_format=torch.channels_last)
        features = self.entry(seen)
        for branch in self.branches:
            features = features + branch(torch.cat((hints, features), 1))
        last = _unfold(self.spread(torch.cat((hints, features), 1)))
        frames: Tensor = self.head(last).float() + _unfold(colours)
        return frames.view(*latents.shape[:2], *frames.shape[1:])

    @torch.no_grad()
    def vae(self, basis: Basis) -> VideoVAE:
        """The VAE of `make_vae` with this decoder."""
        vae = make_vae(basis)
        decoder = vae.decoder
        entry = find_conv(decoder, "up_blocks.0.upsamplers.0.conv")
        weight, bias = _placed(self.entry, slice(KEPT, None), slice(KEPT), entry.weight.shape[1])
        weight[range(KEPT), range(KEPT), 1, 1] = 1.0
        entry.weight.zero_()
        entry.weight[: TRUNK.width, :, 0], entry.bias[: TRUNK.width] = TRUNK.balanced(weight, bias)
        for block, branch in zip(decoder.up_blocks[1].resnets, self.branches, strict=True):
            _write(block, branch)
        spread = find_conv(decoder, "up_blocks.1.upsamplers.0.upscale_conv")
        weight, bias = (part.view(4, LAST_FEATURES, *part.shape[1:]) for part in (self.spread.weight, self.spread.bias))
        for position in range(4):
            rows = slice(position * TRUNK.width + 3, position * TRUNK.width + 3 + LAST_FEATURES)
            spread.weight[rows, COLOURS : TRUNK.used, 0], spread.bias[rows] = weight[position], bias[position]
        head = find_conv(decoder, "up_blocks.1.upsamplers.0.conv")
        head.weight[:3, 3 : 3 + LAST_FEATURES, 0], head.bias[:3] = self.head.weight, self.head.bias
        return vae


def _unfold(x: Tensor) -> Tensor:
    """(N, 4 C, H, W), four pixels in a place, as (N, C, 2 H, 2 W)."""
    n, _, h, w = x.shape
    return x.view(n, 2, 2, -1, h, w).permute(0, 4, 1, 5, 2, 3).reshape(n, 2 * h, 2 * w, -1).permute(0, 3, 1, 2)


def _placed(conv: Conv, rows: slice, columns: slice, inputs: int) -> tuple[Tensor, Tensor]:
    """Weight (used, inputs, 3, 3) and bias (used,) that do to these channels of the trunk what `conv` does."""
    weight, bias = conv.weight.new_zeros(TRUNK.used, inputs, 3, 3), conv.weight.new_zeros(TRUNK.used)
    weight[rows, columns], bias[rows] = conv.weight, conv.bias
    return weight, bias


def _write(block: ResnetBlock, branch: Branch) -> None:
    """The branch as a residual block whose norms only scale."""
    for norm in (block.norm1, block.norm2):
        norm.weight.zero_()
        norm.weight[: TRUNK.used] = SHARPNESS * VAE_CONSTANT * (2 / len(norm.weight)) ** 0.5
    seen, written = slice(COLOURS, TRUNK.used), slice(KEPT, None)
    weight, bias = _placed(branch.conv1, slice(HIDDEN), seen, block.conv1.weight.shape[1])
    block.conv1.weight[:, :, 0], block.conv1.bias[:] = TRUNK.balanced(weight / SHARPNESS, bias)
    weight, bias = _placed(branch.conv2, written, slice(HIDDEN), block.conv2.weight.shape[1])
    block.conv2.weight[:, :, 0], block.conv2.bias[:] = TRUNK.balanced(weight / SHARPNESS, bias, constants=False)
