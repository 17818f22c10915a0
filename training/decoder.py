"""The decoder of nano in the form in which it is trained, and how that is written into the VAE's weights.

Group norms are left out: constant channels of ±K beside a channel that balances the mean turn each into a plain
scaling (`seedvr2.nano.initialise`), so a crop is decoded as it would be inside a large picture. What only hands
through (the last level, the convolutions behind the upsamplers) is left out as well. The blocks work on patches of
4x4 and, mostly, 2x2 pixels, where a small network learns fastest.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.nano.initialise import (
    COLOURS,
    HALF,
    LATENTS,
    QUARTER,
    VAE_CONSTANT,
    Trunk,
    find_conv,
    hand_through,
    make_vae,
    spread_rows,
)
from seedvr2.nano.pca import Basis
from seedvr2.network.vae import VideoVAE
from seedvr2.network.vae_layers import ResnetBlock

# How far inputs are scaled up before a SiLU: small textures must meet its bend, as they would meet a ReLU's.
QUARTER_SHARPNESS = 8.0
HALF_SHARPNESS = 24.0


class Branch(nn.Module):
    """SiLU, convolution, twice: what a residual block of the VAE adds."""

    def __init__(self, channels: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.conv1.weight)
        nn.init.zeros_(self.conv1.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        s = self.sharpness
        hidden = _conv(self.conv1, F.silu(x * s), 1.0, s)
        return _conv(self.conv2, F.silu(hidden), 1 / s)


def _conv(conv: nn.Conv2d, x: Tensor, scale: float = 1.0, bias_scale: float = 1.0) -> Tensor:
    weight, bias = conv.weight * scale, conv.bias * bias_scale  # type: ignore[operator]
    return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=conv.padding)


class PatchDecoder(nn.Module):
    """Latents (N, T, h, w, 28) to frames (N, T, 3, 4h, 4w)."""

    def __init__(self, basis: Basis, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.dtype = dtype
        self.conv_in = nn.Conv2d(LATENTS, QUARTER.used, 3, padding=1)
        self.coarse = nn.ModuleList(Branch(QUARTER.used, QUARTER_SHARPNESS) for _ in range(QUARTER.blocks))
        self.spread = nn.Conv2d(QUARTER.used, 4 * HALF.used, 1)
        self.fine = nn.ModuleList(Branch(HALF.used, HALF_SHARPNESS) for _ in range(HALF.blocks))
        with torch.no_grad():
            assert self.conv_in.bias is not None
            assert self.spread.bias is not None
            self.conv_in.bias.zero_()
            self.spread.bias.zero_()
            nn.init.kaiming_normal_(self.conv_in.weight).mul_(0.5)
            self.conv_in.weight[:LATENTS] = 0.0
            self.conv_in.weight[range(LATENTS), range(LATENTS), 1, 1] = 1.0
            nn.init.normal_(self.spread.weight, 0.0, 0.05)
            rows = self.spread.weight.view(4, HALF.used, QUARTER.used)
            rows[:, :COLOURS] = 0.0
            rows[:, :COLOURS, :LATENTS] = spread_rows(basis)

    def forward(self, latents: Tensor) -> Tensor:
        """The frames, in float32."""
        x = latents.flatten(0, 1).permute(0, 3, 1, 2).to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = _conv(self.conv_in, x)
        for branch in self.coarse:
            x = x + branch(x)
        x = _conv(self.spread, x)
        n, _, h, w = x.shape
        x = x.view(n, 2, 2, HALF.used, h, w).permute(0, 4, 1, 5, 2, 3).reshape(n, 2 * h, 2 * w, HALF.used)
        x = x.permute(0, 3, 1, 2)
        for branch in self.fine:
            x = x + branch(x)
        patches = x[:, :COLOURS].float().view(n, 2, 2, 3, 2 * h, 2 * w)
        frames = patches.permute(0, 3, 4, 1, 5, 2).reshape(n, 3, 4 * h, 4 * w)
        return frames.view(*latents.shape[:2], *frames.shape[1:])

    @torch.no_grad()
    def vae(self, basis: Basis) -> VideoVAE:
        """The VAE of `make_vae` with this decoder."""
        vae = make_vae(basis)
        decoder = vae.decoder
        weight, bias = QUARTER.balanced(*_parts(self.conv_in))
        decoder.conv_in.weight[:, :, 0], decoder.conv_in.bias[:] = weight, bias
        for block, branch in zip(decoder.mid_block.resnets, self.coarse, strict=True):
            _write(block, branch, QUARTER)
        spread = find_conv(decoder, "up_blocks.0.upsamplers.0.upscale_conv")
        weight, bias = (part.view(4, HALF.used, *part.shape[1:]) for part in _parts(self.spread))
        spread.weight.zero_()
        for position in range(4):
            rows, offsets = HALF.balanced(weight[position], bias[position])
            channels = slice(position * QUARTER.width, position * QUARTER.width + HALF.width)
            spread.weight[channels, : QUARTER.used, 0] = rows
            spread.bias[channels] = offsets
        hand_through(find_conv(decoder, "up_blocks.0.upsamplers.0.conv"), HALF.width)
        hand_through(find_conv(decoder, "up_blocks.1.resnets.0.conv_shortcut"), HALF.width)
        for block, branch in zip(decoder.up_blocks[1].resnets, self.fine, strict=True):
            _write(block, branch, HALF)
        return vae


def _parts(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    assert conv.bias is not None
    return conv.weight, conv.bias


def _write(block: ResnetBlock, branch: Branch, trunk: Trunk) -> None:
    """The branch as a residual block whose norms only scale."""
    for norm in (block.norm1, block.norm2):
        norm.weight.zero_()
        deviation = VAE_CONSTANT * (2 / len(norm.weight)) ** 0.5
        norm.weight[: trunk.used] = branch.sharpness * deviation
    weight, bias = trunk.balanced(*_parts(branch.conv1))
    block.conv1.weight.zero_()
    block.conv1.weight[:, : trunk.used, 0] = weight / branch.sharpness
    block.conv1.bias[:] = bias
    weight, bias = trunk.balanced(*_parts(branch.conv2), constants=False)
    block.conv2.weight.zero_()
    block.conv2.weight[:, : trunk.used, 0] = weight / branch.sharpness
    block.conv2.bias[:] = bias
