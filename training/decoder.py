"""The decoder of nano in the form in which it is trained, and how that is written into the VAE's weights.

Most of it works on patches of 2x2 pixels, where a small network learns fastest: their colours pass untouched beside
features that residual branches refine, and a linear head adds what the features say. The hints of the transformer about
the picture's faults stand beside both, constant throughout, so that every branch can act on them. Before that a few
branches look at the latents themselves, blocks of 4x4 pixels: they see twice as far for a quarter of the work.

Group norms are left out: constant channels of ±K beside a channel that balances the mean turn each into a plain
scaling (`seedvr2.nano.initialise`), so a crop is decoded as it would be inside a large picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.nano.initialise import (
    COARSE,
    COLOURS,
    HINTS,
    LATENTS,
    TRUNK,
    VAE_CONFIG,
    VAE_CONSTANT,
    Trunk,
    find_conv,
    make_vae,
    spread_rows,
)
from seedvr2.nano.pca import COMPONENTS, Basis
from seedvr2.network.causal import CausalConv3d
from seedvr2.network.vae import VideoVAE
from seedvr2.network.vae_layers import ResnetBlock

BRANCHES = VAE_CONFIG.resnets + 1
COARSE_BRANCHES = 3
KEPT = COLOURS + HINTS  # the first channels of the trunk, which no branch changes
FEATURES = TRUNK.used - KEPT
COARSE_FEATURES = COARSE.used - LATENTS
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
    """SiLU, convolution, twice: what a residual block adds to the last `features` of the channels that it sees."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.conv1 = Conv(channels, channels)
        self.conv2 = Conv(channels, features, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, features, H, W)."""
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
        self.coarse_entry = Conv(LATENTS, COARSE_FEATURES)
        self.coarse_branches = nn.ModuleList(Branch(COARSE.used, COARSE_FEATURES) for _ in range(COARSE_BRANCHES))
        self.coarse_spread = Conv(COARSE_FEATURES, 4 * COARSE_FEATURES, 1, zero=True)
        self.entry = Conv(KEPT + COARSE_FEATURES, FEATURES)
        self.branches = nn.ModuleList(Branch(TRUNK.used, FEATURES) for _ in range(BRANCHES))
        self.spread = Conv(HINTS + FEATURES, 4 * LAST_FEATURES, 1)
        self.head = Conv(LAST_FEATURES, 3, zero=True)

    def matrices(self) -> list[nn.Parameter]:
        """What Muon trains: the convolutions of 3x3."""
        branches = (*self.coarse_branches, *self.branches)
        convs = [self.coarse_entry, self.entry, *(conv for branch in branches for conv in branch.children())]
        return [conv.matrix for conv in convs]

    def forward(self, latents: Tensor) -> Tensor:
        """The frames, in float32."""
        x = latents.flatten(0, 1).permute(0, 3, 1, 2)
        colours = _unfold(F.conv2d(x[:, :COMPONENTS].float(), self.rows))
        seen = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        coarse = _refine(seen, self.coarse_entry(seen), self.coarse_branches)
        hints = F.interpolate(seen[:, COMPONENTS:], scale_factor=2.0, mode="nearest")
        kept = torch.cat((colours.to(self.dtype), hints), 1)
        features = self.entry(torch.cat((kept, _unfold(self.coarse_spread(coarse))), 1))
        features = _refine(kept, features, self.branches)
        last = _unfold(self.spread(torch.cat((hints, features), 1)))
        frames: Tensor = self.head(last).float() + _unfold(colours)
        return frames.view(*latents.shape[:2], *frames.shape[1:])

    @torch.no_grad()
    def vae(self, basis: Basis) -> VideoVAE:
        """The VAE of `make_vae` with this decoder."""
        vae = make_vae(basis)
        decoder = vae.decoder
        _write_entry(decoder.conv_in, self.coarse_entry, LATENTS, COARSE)
        _write_branches(decoder.up_blocks[0], self.coarse_branches, COARSE)
        spread = find_conv(decoder, "up_blocks.0.upsamplers.0.upscale_conv")
        weight, bias = _by_position(self.coarse_spread, COARSE_FEATURES)
        for position in range(4):
            start = position * COARSE.width + KEPT
            rows = slice(start, start + COARSE_FEATURES)
            spread.weight[rows, LATENTS : COARSE.used, 0], spread.bias[rows] = weight[position], bias[position]
        _write_entry(find_conv(decoder, "up_blocks.0.upsamplers.0.conv"), self.entry, KEPT, TRUNK)
        _write_branches(decoder.up_blocks[1], self.branches, TRUNK)
        spread = find_conv(decoder, "up_blocks.1.upsamplers.0.upscale_conv")
        weight, bias = _by_position(self.spread, LAST_FEATURES)
        for position in range(4):
            rows = slice(position * TRUNK.width + 3, position * TRUNK.width + 3 + LAST_FEATURES)
            spread.weight[rows, COLOURS : TRUNK.used, 0], spread.bias[rows] = weight[position], bias[position]
        head = find_conv(decoder, "up_blocks.1.upsamplers.0.conv")
        head.weight[:3, 3 : 3 + LAST_FEATURES, 0], head.bias[:3] = self.head.weight, self.head.bias
        return vae


def _refine(kept: Tensor, features: Tensor, branches: nn.ModuleList) -> Tensor:
    for branch in branches:
        features = features + branch(torch.cat((kept, features), 1))
    return features


def _unfold(x: Tensor) -> Tensor:
    """(N, 4 C, H, W), four pixels in a place, as (N, C, 2 H, 2 W)."""
    n, _, h, w = x.shape
    return x.view(n, 2, 2, -1, h, w).permute(0, 4, 1, 5, 2, 3).reshape(n, 2 * h, 2 * w, -1).permute(0, 3, 1, 2)


def _by_position(conv: Conv, features: int) -> tuple[Tensor, Tensor]:
    """Weight (4, features, inputs, 1, 1) and bias (4, features) for each place of a patch of 2x2."""
    return conv.weight.view(4, features, -1, 1, 1), conv.bias.view(4, features)


def _write_entry(conv: CausalConv3d, entry: Conv, kept: int, trunk: Trunk) -> None:
    """What enters a trunk: the kept channels as they are, the first features, the constants."""
    weight, bias = entry.weight.new_zeros(trunk.used, conv.weight.shape[1], 3, 3), entry.weight.new_zeros(trunk.used)
    weight[kept:, : entry.weight.shape[1]], bias[kept:] = entry.weight, entry.bias
    weight[range(kept), range(kept), 1, 1] = 1.0
    conv.weight.zero_()
    conv.weight[: trunk.width, :, 0], conv.bias[: trunk.width] = trunk.balanced(weight, bias)


def paired(branches: nn.ModuleList, level: nn.Module) -> Iterator[tuple[Branch, ResnetBlock]]:
    """Each branch and the block that it is written to: the first residual blocks of a level."""
    blocks = (block for block in level.modules() if isinstance(block, ResnetBlock))
    for branch, block in zip(branches, blocks, strict=False):
        assert isinstance(branch, Branch)
        yield branch, block


def _write_branches(level: nn.Module, branches: nn.ModuleList, trunk: Trunk) -> None:
    for branch, block in paired(branches, level):
        _write(block, branch, trunk)


def _write(block: ResnetBlock, branch: Branch, trunk: Trunk) -> None:
    """The branch as a residual block whose norms only scale."""
    for norm in (block.norm1, block.norm2):
        norm.weight.zero_()
        norm.weight[: trunk.used] = SHARPNESS * VAE_CONSTANT * (2 / len(norm.weight)) ** 0.5
    weight = branch.conv1.weight.new_zeros(trunk.used, block.conv1.weight.shape[1], 3, 3)
    weight[:, : trunk.used] = branch.conv1.weight
    block.conv1.weight[:, :, 0], block.conv1.bias[:] = trunk.balanced(weight / SHARPNESS, branch.conv1.bias)
    features = len(branch.conv2.bias)
    weight, bias = weight.new_zeros(trunk.used, trunk.width, 3, 3), weight.new_zeros(trunk.used)
    weight[-features:, : trunk.used], bias[-features:] = branch.conv2.weight, branch.conv2.bias
    block.conv2.weight[:, :, 0], block.conv2.bias[:] = trunk.balanced(weight / SHARPNESS, bias, constants=False)
