"""How much arithmetic a result needs at the least: counted in closed form, on the leanest exact formulation known.

What an implementation does beyond that is its own affair and shows as a lower share of the machine's peak, so the
count is the same for every version of the engine. Two operations for each multiply-add of convolutions, linear layers
and attention; norms, activations and sums are not counted.

The VAE: the clip's first frame sees only itself, copied, so its temporal taps are summed beforehand and its kernels are
3x3; later frames take 3x3x3. Spreading channels over a doubled frame and convolving that is one kernel a phase over
the small frame, 2x2 in space. Over time such a kernel reaches two frames where time is doubled, three where it is not,
and one for the clip's first frame, of which the half that is dropped is not computed. Of the encoder's moments only the
mean is needed.

The transformer: video tokens go through every layer; text tokens too, but behind the last block nobody reads the text,
so there only its keys and values are made. Each window's tokens attend to the window and to the text.
"""

from __future__ import annotations

import math

from seedvr2.network.config import TIMESTEP_CHANNELS, DiTConfig, VAEConfig
from seedvr2.network.windows import Size, partition

Pixels = tuple[int, int]  # height, width


def encode_flop(config: VAEConfig, frames: int, size: Pixels) -> int:
    """Operations to encode a clip.

    Args:
        frames: f·n + 1. size: (height, width) in pixels, multiples of the spatial factor.
    """
    area, taps = math.prod(size), config.kernel
    total = _conv(3, config.widths[0], area, _reach(frames, taps))
    for level, width in enumerate(config.widths):
        inputs = [config.widths[max(level - 1, 0)]] + [width] * (config.resnets - 1)
        total += sum(_resnet(n, width, area, frames, taps) for n in inputs)
        if level < len(config.down_kernels):
            kernel = config.down_kernels[level]
            frames, area = (frames - 1) // (2 if kernel == 3 else 1) + 1, area // 4
            total += _conv(width, width, area, _reach(frames, kernel))
    total += _middle(config, area, frames)
    return total + _conv(config.widths[-1], config.latent_channels, area, _reach(frames, taps))


def decode_flop(config: VAEConfig, frames: int, size: Pixels) -> int:
    """Operations to decode a clip; `frames` and `size` are those of the result, as for `encode_flop`."""
    taps, widths = config.kernel, config.widths[::-1]
    frames = (frames - 1) // config.temporal_factor + 1
    area = math.prod(size) // config.spatial_factor**2
    total = _conv(config.latent_channels, widths[0], area, _reach(frames, taps)) + _middle(config, area, frames)
    for level, width in enumerate(widths):
        inputs = [widths[max(level - 1, 0)]] + [width] * config.resnets
        total += sum(_resnet(n, width, area, frames, taps) for n in inputs)
        if level < len(config.up_factors):
            factor = config.up_factors[level]
            # Frames that the kernels of one phase reach, over all phases in time.
            reached = 1 + (frames - 1) * factor * (2 if factor == 2 and taps == 3 else taps)
            total += 2 * 4 * 4 * width**2 * area * reached
            frames, area = factor * (frames - 1) + 1, area * 4
    return total + _conv(widths[-1], 3, area, _reach(frames, taps))


def transformer_flop(config: DiTConfig, latent: Size, text: int) -> int:
    """Operations of one forward over a latent clip of the size (T, H, W), with `text` tokens of text."""
    grid = (latent[0] // config.patch[0], latent[1] // config.patch[1], latent[2] // config.patch[2])
    video, patch, inner = math.prod(grid), math.prod(config.patch), config.heads * config.head_dim
    mlp = (3 if config.gated_mlp else 2) * config.dim * config.mlp_dim
    token = 4 * config.dim * inner + mlp
    total = video * config.dim * patch * (config.input_channels + config.latent_channels)
    total += text * config.text_channels * config.dim + (TIMESTEP_CHANNELS + 7 * config.dim) * config.dim
    for index in range(len(config.shared)):
        last = index == len(config.shared) - 1
        total += video * token + text * (2 * config.dim * inner if last else token)
        for window in partition(grid, config.windows, shifted=index % 2 == 1):
            tokens = math.prod(axis.stop - axis.start for axis in window)
            total += 2 * (tokens if last else tokens + text) * (tokens + text) * inner
    return 2 * total


def clip_flop(
    vae: VAEConfig, dit: DiTConfig, frames: int, size: Pixels, text: int, *, batch: int = 5, overlap: int = 0
) -> int:
    """Operations of the networks for a whole clip in batches, as `batch_size` and `temporal_overlap` ask for it.

    Args:
        size: (height, width) that the networks see, padding included.
    """
    total, start = 0, 0
    while True:
        length = min(batch, frames - start)
        padded = -(-(length - 1) // vae.temporal_factor) * vae.temporal_factor + 1
        latent = (
            (padded - 1) // vae.temporal_factor + 1, size[0] // vae.spatial_factor, size[1] // vae.spatial_factor
        )  # fmt: skip
        total += encode_flop(vae, padded, size) + decode_flop(vae, padded, size)
        total += transformer_flop(dit, latent, text)
        if start + length >= frames:
            return total
        start += length - overlap


def _reach(frames: int, taps: int) -> int:
    """Frames that a causal kernel reads for all of a clip's outputs: one for the first, `taps` for each other."""
    return 1 + (frames - 1) * taps


def _conv(inputs: int, outputs: int, area: int, reach: int, kernel: int = 9) -> int:
    return 2 * inputs * outputs * kernel * area * reach


def _resnet(inputs: int, outputs: int, area: int, frames: int, taps: int) -> int:
    reach = _reach(frames, taps)
    shortcut = 0 if inputs == outputs else _conv(inputs, outputs, area, frames, kernel=1)
    return _conv(inputs, outputs, area, reach) + _conv(outputs, outputs, area, reach) + shortcut


def _middle(config: VAEConfig, area: int, frames: int) -> int:
    width = config.widths[-1]
    total = 2 * _resnet(width, width, area, frames, config.kernel)
    if config.attention:
        total += frames * (2 * 4 * width**2 * area + 2 * 2 * area**2 * width)
    return total
