"""How far a causal VAE looks back in time, told from its weights.

Where a clip is entered in the middle, the frames before are missing from what the convolutions remember, and the first
results differ from those of the whole clip. By how much, and for how long, is a matter of the weights: of how much of
each kernel lies on earlier frames. Each convolution is taken for a random delay, by the share of its energy on each
frame, and the delays of those that follow one another add up (docs/quality.md, Stitching).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seedvr2.checkpoint import open_checkpoint
from seedvr2.network.config import VAEConfig, read_vae_config

# Energy that may be missing of a result, so that 99.9 % of it are nearer than 1/255 to what it should be.
_MISSING = 1e-4
# Of a residual block's result, the energy that comes by way of its convolutions.
_BRANCH = 0.5
# No network is known that would need more latents, and no segment could bear it.
_MOST = 24

# The weight (outputs, inputs, time, rows, columns) of a convolution, by its name.
WeightOf = Callable[[str], Tensor]


@dataclass(frozen=True, slots=True)
class Reach:
    """How a VAE looks at time.

    Attributes:
        factor: frames of a latent.
        encoder, decoder: latents that each half must have seen before its results are those of a longer clip; 0 where
            it looks at one frame at a time.
    """

    factor: int
    encoder: int
    decoder: int


def reach_of(config: VAEConfig, weight_of: WeightOf) -> Reach:
    """The reach of a VAE with those weights."""
    if config.slices[0] == 0:
        return Reach(config.temporal_factor, 0, 0)
    return Reach(
        config.temporal_factor,
        _latents(_encoder_layers(config), config.temporal_factor, weight_of),
        _latents(_decoder_layers(config), config.temporal_factor, weight_of),
    )


def reach_in_file(path: Path) -> Reach:
    """The reach of the VAE in a file. Raises CheckpointError."""
    file = open_checkpoint(path)

    def weight_of(name: str) -> Tensor:
        stored = file.tensor(name)
        return stored if isinstance(stored, Tensor) else stored.expand()

    return reach_of(read_vae_config(file.shapes, file.metadata), weight_of)


# Convolutions one after another, and the frames from one of their steps to the next; two of them are a residual branch.
_Layer = tuple[tuple[str, ...], int]


def _encoder_layers(config: VAEConfig) -> Iterable[_Layer]:
    step = 1
    yield ("encoder.conv_in",), step
    for level in range(len(config.widths)):
        yield from _blocks(f"encoder.down_blocks.{level}", config.resnets, step)
        if level < len(config.down_kernels):
            yield (f"encoder.down_blocks.{level}.downsamplers.0.conv",), step
            step *= 2 if config.down_kernels[level] == 3 else 1
    yield from _blocks("encoder.mid_block", 2, step)
    yield ("encoder.conv_out",), step


def _decoder_layers(config: VAEConfig) -> Iterable[_Layer]:
    step = config.temporal_factor
    yield ("decoder.conv_in",), step
    yield from _blocks("decoder.mid_block", 2, step)
    for level in range(len(config.widths)):
        yield from _blocks(f"decoder.up_blocks.{level}", config.resnets + 1, step)
        if level < len(config.up_factors):
            step //= config.up_factors[level]
            yield (f"decoder.up_blocks.{level}.upsamplers.0.conv",), step
    yield ("decoder.conv_out",), step


def _blocks(name: str, count: int, step: int) -> Iterable[_Layer]:
    for index in range(count):
        yield (f"{name}.resnets.{index}.conv1", f"{name}.resnets.{index}.conv2"), step


def _latents(layers: Iterable[_Layer], factor: int, weight_of: WeightOf) -> int:
    """How many latents of delay leave next to nothing beyond them."""
    delays = torch.ones(1, dtype=torch.float64)
    for names, step in layers:
        branch = torch.ones(1, dtype=torch.float64)
        for name in names:
            branch = _after(branch, _delay(weight_of(f"{name}.weight"), step))
        if len(names) > 1:
            branch = branch * _BRANCH
            branch[0] += 1 - _BRANCH
        delays = _after(delays, branch)
    beyond = delays.flip(0).cumsum(0).flip(0)
    needed = int((beyond > _MISSING).sum())
    return min(max(-(-needed // factor), 1), _MOST)


def _delay(weight: Tensor, step: int) -> Tensor:
    """The energy of a kernel by how many frames it lies back."""
    energy = weight.double().square().sum((0, 1, 3, 4)).flip(0)
    spread = energy.new_zeros((len(energy) - 1) * step + 1)
    spread[::step] = energy / energy.sum().clamp(min=1e-30)
    return spread


def _after(first: Tensor, second: Tensor) -> Tensor:
    """The delays of two layers together."""
    result = first.new_zeros(len(first) + len(second) - 1)
    for frames, share in enumerate(second.tolist()):
        result[frames : frames + len(first)] += share * first
    return result
