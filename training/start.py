"""What was exported once, as what learns: to go on from weights whose checkpoint is gone, such as those that ship."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.nano.initialise import COARSE, COLOURS, LATENTS, TRUNK, VAE_CONFIG, find_conv
from seedvr2.network.dit import DiT
from seedvr2.network.vae import Decoder, VideoVAE
from training.decoder import COARSE_FEATURES, KEPT, LAST_FEATURES, SHARPNESS, Conv, PatchDecoder, paired


@torch.no_grad()
def read(folder: Path, dit: DiT, text: Tensor, decoder: PatchDecoder) -> None:
    """Fill the networks with what `Run.export` wrote, rounded to float16 as it is there.

    Args:
        folder: has the float16 files of both networks. dit, text, decoder: what learns; filled in place.

    Raises:
        FileNotFoundError: one of the files is missing.
        RuntimeError: the weights are of another architecture than the recipe's.
    """
    tensors = load_file(folder / DIT_FILE.name)
    text.copy_(tensors.pop("positive_conditioning"))
    dit.load_state_dict(tensors)
    vae = VideoVAE(VAE_CONFIG)
    vae.load_state_dict(load_file(folder / VAE_FILE.name))
    _read_decoder(vae.decoder, decoder)


def _read_decoder(written: Decoder, decoder: PatchDecoder) -> None:
    """The inverse of `PatchDecoder.vae`, whose channels of constants and balance are left out."""
    _read(decoder.coarse_entry, written.conv_in, slice(LATENTS, COARSE.used))
    _read_branches(decoder.coarse_branches, written.up_blocks[0])
    spread = find_conv(written, "up_blocks.0.upsamplers.0.upscale_conv")
    _read_positions(decoder.coarse_spread, spread, COARSE.width, KEPT, COARSE_FEATURES, LATENTS)
    _read(decoder.entry, find_conv(written, "up_blocks.0.upsamplers.0.conv"), slice(KEPT, TRUNK.used))
    _read_branches(decoder.branches, written.up_blocks[1])
    spread = find_conv(written, "up_blocks.1.upsamplers.0.upscale_conv")
    _read_positions(decoder.spread, spread, TRUNK.width, 3, LAST_FEATURES, COLOURS)
    head = find_conv(written, "up_blocks.1.upsamplers.0.conv")
    _fill(decoder.head, head.weight[:3, 3 : 3 + LAST_FEATURES, 0], head.bias[:3])


def _fill(conv: Conv, weight: Tensor, bias: Tensor) -> None:
    conv.matrix.copy_(weight.reshape(conv.matrix.shape))
    conv.bias.copy_(bias)


def _read(conv: Conv, written: nn.Module, rows: slice, factor: float = 1.0) -> None:
    """The rows of a written convolution, as far as it reads what `conv` reads."""
    weight, bias = written.get_parameter("weight"), written.get_parameter("bias")
    _fill(conv, weight[rows, : conv.weight.shape[1], 0] * factor, bias[rows])


def _read_positions(conv: Conv, written: nn.Module, width: int, first: int, features: int, source: int) -> None:
    """The rows of the four places, `width` apart, from the channels after `source`."""
    rows = torch.cat([torch.arange(features) + place * width + first for place in range(4)])
    weight, bias = written.get_parameter("weight"), written.get_parameter("bias")
    _fill(conv, weight[rows, source : source + conv.weight.shape[1], 0], bias[rows])


def _read_branches(branches: nn.ModuleList, level: nn.Module) -> None:
    for branch, block in paired(branches, level):
        used, features = len(branch.conv1.bias), len(branch.conv2.bias)
        _read(branch.conv1, block.conv1, slice(used), SHARPNESS)
        _read(branch.conv2, block.conv2, slice(used - features, used), SHARPNESS)
