"""Weights of nano with which the networks, by construction, hand the condition picture through.

    python -m seedvr2.nano.initialise [FOLDER]

The VAE is a projection of 4x4 blocks onto 28 principal components, and the transformer predicts v = noise − condition.
Training starts from here (`training/`). Two devices make norms and activations linear:

* Where a GroupNorm and a SiLU follow, each signal s comes as the pair (s, −s) beside constants ±K in its group. The
  constants are so much larger that they alone set the variance, and silu(x) − silu(−x) = x.
* Four constant channels of the transformer's residual stream do the same for its RMS norms.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from seedvr2.nano import DIT_FILE, NAME, VAE_FILE
from seedvr2.nano.pca import COMPONENTS, Basis, stored_basis
from seedvr2.network import rope
from seedvr2.network.causal import CausalConv3d
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.dit import DiT
from seedvr2.network.vae import VideoVAE
from seedvr2.network.vae_layers import GroupNorm, ResnetBlock

# What the transformer tells the decoder about the picture's faults; the encoder leaves these latents at zero.
HINTS = 5
LATENTS = COMPONENTS + HINTS
COLOURS = 12  # of a 2x2 patch of pixels
TEXT_TOKENS = 4
TEXT_CHANNELS = 64
BLOCKS = 3

# Temporal kernels of 1: the VAE sees each frame on its own, time is the transformer's business.
VAE_CONFIG = VAEConfig(
    widths=(16, 64, 80),
    resnets=5,
    latent_channels=LATENTS,
    kernel=1,
    down_kernels=(1, 1),
    up_factors=(1, 1),
    # Attention over all 57,600 positions of a 720p frame would take a hundred times as long as all the rest.
    attention=False,
    groups=1,
    scale=1.0,
    keeps_colours=True,
)
# Windows of about 6x10 patches (48x80 pixels) at every output size, through all frames of a batch.
DIT_CONFIG = DiTConfig(
    dim=256,
    heads=4,
    head_dim=64,
    text_channels=TEXT_CHANNELS,
    latent_channels=LATENTS,
    patch=(1, 2, 2),
    mlp_dim=512,
    shared=(False,) + (True,) * (BLOCKS - 1),
    gated_mlp=True,
    output_norm=True,
    last_text=False,
    rope="joint",
    rope_frequencies=rope.frequency_count("joint", 64),
    windows=(1, 8, 8),
)


@dataclass(frozen=True, slots=True)
class Trunk:
    """Channels of a level of the decoder: what is learned, one that balances their sum, and the constants ±K.

    A group norm over them only scales: their mean is zero by construction, and the constants make the variance.
    """

    width: int

    @property
    def used(self) -> int:
        """The channels that are learned."""
        return self.width - 3

    def balanced(self, weight: Tensor, bias: Tensor, *, constants: bool = True) -> tuple[Tensor, Tensor]:
        """The rows (used, …) of a layer that writes to the trunk, with those of the other channels below."""
        zeros = weight.new_zeros(2, *weight.shape[1:])
        ends = weight.new_tensor((VAE_CONSTANT, -VAE_CONSTANT)) if constants else zeros.new_zeros(2)
        return (
            torch.cat((weight, -weight.sum(0, keepdim=True), zeros)),
            torch.cat((bias, -bias.sum(0, keepdim=True), ends)),
        )


TRUNK = Trunk(VAE_CONFIG.widths[1])  # patches of 2x2 pixels
COARSE = Trunk(VAE_CONFIG.widths[2])  # latents

# In the VAE, what is learned reaches some tens and constants stand at ±K; K² dominates the variance of a group. With
# K = 64 the trained decoder lost 0.13 dB to what it had been trained as, with 512 still 0.04.
VAE_CONSTANT = 2048.0
# Channels of the transformer's residual stream: noise − condition | constants | free for what is learned.
SIGNALS = LATENTS * 4
# Those of the signals that blocks write to: the hints of each of the four latents of a patch.
HINT_SIGNALS = [position * LATENTS + COMPONENTS + hint for position in range(4) for hint in range(HINTS)]
CONSTANTS = slice(SIGNALS, SIGNALS + 4)
FREE = slice(SIGNALS + 4, None)
SEEN = slice(SIGNALS + 1, None)  # by the blocks, whose first constant says where to look
# In the blocks the free channels are the strongest, so that norms take the contrast out of a patch, down to a floor set
# by the constants. The last block makes these so large that no picture changes what the norm at the output divides by.
CONSTANT = 16.0
LAST_CONSTANT = 16384.0
STRENGTH = 16.0
CAUTION = 0.125
# Where the four heads of a block look at first, as steps (down, right) over the grid of patches; None: anywhere.
_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
GAZES = (_NEIGHBOURS, None, None)
GAZE = 5.0  # strength of that constant part of queries and keys, beside contents of about 0.4 a channel
NOMINAL_RMS = LAST_CONSTANT / 8  # sqrt(4 * LAST_CONSTANT² / 256): what these constants alone give


def latent_scales(basis: Basis) -> Tensor:
    """Factors (28,) that bring the components towards unit variance.

    Not all the way: noise in the faint components would swamp the transformer.
    """
    return basis.deviations**-0.7


def make_vae(basis: Basis) -> VideoVAE:
    """The VAE whose latent is the projection on `basis`, times `latent_scales`."""
    vae = VideoVAE(VAE_CONFIG)
    _make_idle(vae)
    scales = latent_scales(basis)
    rows = basis.rows.reshape(COMPONENTS, 2, 2, 2, 2, 3)  # component, (y, dy), (x, dx), colour
    encoder = _split(rows * scales.view(-1, 1, 1, 1, 1, 1))
    with torch.no_grad():
        _encoder_weights(vae, encoder)
        _decoder_weights(vae, basis)
    return vae.requires_grad_(False)


def _split(rows: Tensor) -> Tensor:
    """(component, y, dy, x, dx, colour) as (component, y, x, 12): a 2x2 block of 2x2 blocks of colours."""
    return rows.permute(0, 1, 3, 2, 4, 5).reshape(COMPONENTS, 2, 2, 12)


def _encoder_weights(vae: VideoVAE, projection: Tensor) -> None:
    encoder = vae.encoder
    hand_through(encoder.conv_in, 3)
    halve, project = (find_conv(encoder, f"down_blocks.{i}.downsamplers.0.conv") for i in (0, 1))
    for y in range(2):
        for x in range(2):
            for colour in range(3):
                halve.weight[3 * (2 * y + x) + colour, colour, 0, y, x] = 1.0
            project.weight[:COMPONENTS, :12, 0, y, x] = projection[:, y, x]
    hand_through(find_conv(encoder, "down_blocks.1.resnets.0.conv_shortcut"), 12)
    pairs = find_conv(encoder, "down_blocks.2.resnets.0.conv_shortcut")
    plus, minus, deviation = _pairs(pairs, COMPONENTS, encoder.conv_norm_out)
    encoder.conv_out.weight[range(COMPONENTS), plus, 0, 1, 1] = deviation
    encoder.conv_out.weight[range(COMPONENTS), minus, 0, 1, 1] = -deviation
    encoder.conv_out.bias[LATENTS:] = -6.0  # log-variance: the posterior is all but certain


def spread_rows(basis: Basis) -> Tensor:
    """(4, 12, 28): from latents to the colours of each of the four 2x2 patches of a block, as (dy, dx, colour)."""
    rows = basis.rows / latent_scales(basis).view(-1, 1, 1, 1)
    return rows.view(COMPONENTS, 2, 2, 2, 2, 3).permute(1, 3, 2, 4, 5, 0).reshape(4, COLOURS, COMPONENTS)


def _decoder_weights(vae: VideoVAE, basis: Basis) -> None:
    """Latents pass to the first upsampler, which gives the colours of 2x2 patches; the second spreads them."""
    decoder = vae.decoder
    hand_through(decoder.conv_in, LATENTS)
    first, second = (find_conv(decoder, f"up_blocks.{i}.upsamplers.0.upscale_conv") for i in (0, 1))
    for position, rows in enumerate(spread_rows(basis)):
        start = position * VAE_CONFIG.widths[2]
        first.weight[start : start + COLOURS, :COMPONENTS, 0, 0, 0] = rows
        for hint in range(HINTS):
            first.weight[start + COLOURS + hint, COMPONENTS + hint] = 1.0
        for colour in range(3):
            second.weight[position * TRUNK.width + colour, 3 * position + colour] = 1.0
    hand_through(find_conv(decoder, "up_blocks.0.upsamplers.0.conv"), COLOURS + HINTS)
    hand_through(find_conv(decoder, "up_blocks.1.resnets.0.conv_shortcut"), TRUNK.width)
    hand_through(find_conv(decoder, "up_blocks.1.upsamplers.0.conv"), 3)
    plus, minus, deviation = _pairs(find_conv(decoder, "up_blocks.2.resnets.0.conv_shortcut"), 3, decoder.conv_norm_out)
    decoder.conv_out.weight[range(3), plus, 0, 1, 1] = deviation
    decoder.conv_out.weight[range(3), minus, 0, 1, 1] = -deviation


def find_conv(part: nn.Module, name: str) -> CausalConv3d:
    """The convolution of that dotted name."""
    conv = part.get_submodule(name)
    assert isinstance(conv, CausalConv3d)
    return conv


def hand_through(conv: CausalConv3d, channels: int) -> None:
    """Hand the first `channels` channels through unchanged."""
    centre = conv.weight.shape[-1] // 2
    conv.weight[range(channels), range(channels), 0, centre, centre] = 1.0


def _pairs(conv: CausalConv3d, signals: int, norm: GroupNorm) -> tuple[list[int], list[int], float]:
    """Spread signals as pairs over the groups of `norm`, and fill the groups up with constants ±K.

    Returns:
        The channels of s, those of −s, and the deviation by which the norm divides.
    """
    size = len(norm.weight) // norm.groups
    per_group = -(-signals // norm.groups)
    plus = [size * (s // per_group) + 2 * (s % per_group) for s in range(signals)]
    minus = [channel + 1 for channel in plus]
    conv.bias[0::2], conv.bias[1::2] = VAE_CONSTANT, -VAE_CONSTANT
    conv.bias[plus + minus] = 0.0
    conv.weight[plus, range(signals)] = 1.0
    conv.weight[minus, range(signals)] = -1.0
    return plus, minus, VAE_CONSTANT * ((size - 2 * per_group) / size) ** 0.5


def _make_idle(vae: VideoVAE) -> None:
    """Zero everything; then give norms weight 1 and each branch a first half to learn with, its last layer at zero."""
    generator = torch.Generator().manual_seed(0)
    for parameter in vae.parameters():
        nn.init.zeros_(parameter)
    for module in vae.modules():
        if isinstance(module, GroupNorm):
            nn.init.ones_(module.weight)
        elif isinstance(module, ResnetBlock):
            nn.init.kaiming_normal_(module.conv1.weight, generator=generator)


def make_dit() -> tuple[DiT, Tensor]:
    """The transformer with v = noise − condition, ready to learn, and its text embedding (4, 64)."""
    generator = torch.Generator().manual_seed(1)
    dit = DiT(DIT_CONFIG)
    for name, parameter in dit.named_parameters():
        _fill(name, parameter, generator)
    for name, buffer in dit.named_buffers():
        buffer.copy_(rope.base_frequencies(DIT_CONFIG.rope, len(buffer)) if name.endswith("freqs") else buffer)
    with torch.no_grad():
        _condition_path(dit, generator)
        for block, gaze in zip(dit.blocks, GAZES, strict=True):
            if gaze is not None:
                _look_at_neighbours(block, gaze)
    text = torch.randn(TEXT_TOKENS, TEXT_CHANNELS, generator=generator)
    return dit.requires_grad_(False), text


def _fill(name: str, parameter: Tensor, generator: torch.Generator) -> None:
    last = name.rsplit(".", 1)[-1]
    if parameter.ndim == 2 and "proj_out" not in name:
        nn.init.normal_(parameter, 0, parameter.shape[1] ** -0.5, generator=generator)
    elif last.endswith("_gate"):
        # The picture passes untouched: blocks only tell what is wrong with it.
        nn.init.zeros_(parameter)
        with torch.no_grad():
            parameter[FREE] = STRENGTH / 2
            parameter[HINT_SIGNALS] = 1.0
    elif ".norm_" in name or name == "vid_out_norm.weight":
        nn.init.ones_(parameter)
    elif last in ("attn_scale", "mlp_scale"):
        # Show the block the inverse of the contrast, but not the noise.
        nn.init.zeros_(parameter)
        with torch.no_grad():
            parameter[SEEN] = 1.0
    else:
        nn.init.zeros_(parameter)


def _condition_path(dit: DiT, generator: torch.Generator) -> None:
    """noise − condition, from end to end; the free channels start as a random view of the condition alone."""
    stride = 2 * LATENTS + 1
    weight, bias, text_bias = dit.vid_in.proj.weight, dit.vid_in.proj.bias, dit.txt_in.bias
    assert bias is not None
    assert text_bias is not None
    bias[CONSTANTS] = text_bias[CONSTANTS] = CONSTANT
    last = dit.blocks[-1]
    last.get_parameter("attn.proj_out.all.bias")[CONSTANTS] = LAST_CONSTANT - CONSTANT
    last.get_parameter("ada.all.attn_gate")[CONSTANTS] = 1.0
    last.get_parameter("ada.all.mlp_scale")[FREE] = NOMINAL_RMS / STRENGTH
    weight.zero_()
    for position in range(4):
        for k in range(LATENTS):
            signal = position * LATENTS + k
            weight[signal, position * stride + k] = 1.0
            weight[signal, position * stride + LATENTS + k] = -1.0
            dit.vid_out.proj.weight[signal] = 0.0
            dit.vid_out.proj.weight[signal, signal] = 1.0
        condition = slice(position * stride + LATENTS, position * stride + 2 * LATENTS)
        weight[FREE, condition] = (
            torch.randn(weight[FREE].shape[0], LATENTS, generator=generator) * STRENGTH / SIGNALS**0.5
        )
    dit.vid_out_ada.out_scale.fill_(NOMINAL_RMS)
    dit.vid_out_ada.out_scale[FREE] = CAUTION * NOMINAL_RMS / STRENGTH


def _look_at_neighbours(block: nn.Module, steps: tuple[tuple[int, int], ...]) -> None:
    """Let each head attend mostly to the patch at one step, so that neighbours need not be found by chance.

    A constant in queries and keys makes their product a function of the distance alone: cos(f·(distance − step))
    for each rotary frequency f. Two frequencies an axis leave one peak in a window.
    """
    frequencies = rope.base_frequencies(DIT_CONFIG.rope, DIT_CONFIG.rope_frequencies)[:2]
    stream = "vid" if any(name.startswith("attn.proj_qkv.vid") for name, _ in block.named_parameters()) else "all"
    constant = CONSTANTS.start
    block.get_parameter(f"ada.{stream}.attn_shift")[constant] = 1.0
    block.get_parameter(f"attn.norm_q.{stream}.weight").fill_(1.5)
    heads = block.get_parameter(f"attn.proj_qkv.{stream}.weight").view(3, DIT_CONFIG.heads, DIT_CONFIG.head_dim, -1)
    for head, step in enumerate(steps):
        for axis, distance in enumerate(step, start=1):  # axis 0 is time
            for index, frequency in enumerate(frequencies):
                even = 2 * (axis * DIT_CONFIG.rope_frequencies + index)
                angle = float(distance * frequency)
                heads[:2, head, even : even + 2] = 0.0
                heads[0, head, even, constant] = GAZE * math.cos(angle)
                heads[0, head, even + 1, constant] = GAZE * math.sin(angle)
                heads[1, head, even, constant] = GAZE


def save(folder: Path, dit: DiT, text: Tensor, vae: VideoVAE) -> None:
    """Write both networks as float16 safetensors, with what shapes cannot tell as metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _half(tensor) for name, tensor in dit.state_dict().items()}
    tensors["positive_conditioning"] = _half(text)
    windows = ",".join(map(str, DIT_CONFIG.windows))
    save_file(tensors, folder / DIT_FILE.name, {"name": NAME, "windows": windows})
    metadata = {
        "name": NAME,
        "norm_num_groups": str(VAE_CONFIG.groups),
        "scaling_factor": str(VAE_CONFIG.scale),
        "keeps_colours": str(VAE_CONFIG.keeps_colours).lower(),
    }
    save_file({name: _half(tensor) for name, tensor in vae.state_dict().items()}, folder / VAE_FILE.name, metadata)
    for file in (DIT_FILE, VAE_FILE):
        (folder / file.name).chmod(0o644)  # they ship; safetensors lets only their owner read them


def _half(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float16).contiguous()


def main() -> None:
    """Write the initial weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=DIT_FILE.parent, help="where to write (default: the package)"
    )
    folder: Path = parser.parse_args().folder
    dit, text = make_dit()
    save(folder, dit, text, make_vae(stored_basis()))
    print(f"{folder / DIT_FILE.name}\n{folder / VAE_FILE.name}")


if __name__ == "__main__":
    main()
