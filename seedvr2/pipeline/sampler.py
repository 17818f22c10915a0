"""The sampler, and what the transformer is given: noise, condition latent, mask (spec: engine.md, sections 4.3 to 4.5).

The path from data to noise is straight, x_t = (1 − t)·x0 + t·x_T, and the transformer predicts v = x_T − x0, so
SeedVR2's single step from t = 1000 is x0 = x_T − v.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

TIMESTEPS = 1000.0

# The encoder's noise has a seed of its own, so that turning it on does not change the sampler's.
ENCODER_SEED_OFFSET = 1_000_000

Predict = Callable[[Tensor, float], Tensor]


def timesteps(steps: int) -> list[float]:
    """Timesteps from 1000 down, evenly spaced; the last one is 1000 / steps. SeedVR2 takes one step."""
    values: list[float] = (torch.arange(1.0, 0.0, -1.0 / steps)[:steps] * TIMESTEPS).tolist()
    return values


def sample(predict: Predict, noise: Tensor, steps: int = 1) -> Tensor:
    """Follow the predicted velocity from noise to data by Euler steps.

    Args:
        predict: v of (x_t, timestep), of the shape of x_t.
        noise: x_T, any shape.
        steps: 1 for SeedVR2.

    Returns:
        x0, of the shape of `noise`.
    """
    schedule = [*timesteps(steps), 0.0]
    x = noise
    for now, following in itertools.pairwise(schedule):
        x = x - predict(x, now) * ((now - following) / TIMESTEPS)
    return x


def draw_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Standard normal noise (float32, in main memory): the same for a seed on every device.

    Every batch of a video starts from the same seed, which keeps neighbouring batches alike.
    """
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def model_input(noise: Tensor, condition: Tensor) -> Tensor:
    """Noise (T, H, W, c), condition latent (T, H, W, c) and a mask of ones as (T, H, W, 2c + 1)."""
    return torch.cat((noise, condition, condition.new_ones(*condition.shape[:3], 1)), dim=-1)


def noisy_condition(latent: Tensor, noise: Tensor, second_noise: Tensor, scale: float) -> Tensor:
    """The condition latent with noise mixed in, for `latent_noise_scale` in 0…1.

    Args:
        latent, noise, second_noise: (T, H, W, c); `noise` is the sampler's.

    Returns:
        (1 − t)·latent + t·(0.1·noise + 0.05·second_noise), t the shifted scale.
    """
    # (H, W, c) where (T, H, W) is meant: the model was trained with this slip, here and in the original.
    t = shift_timestep(TIMESTEPS * scale, tuple(latent.shape[1:])) / TIMESTEPS
    return (1 - t) * latent + t * (0.1 * noise + 0.05 * second_noise)


def shift_timestep(timestep: float, latent_size: tuple[int, ...]) -> float:
    """A timestep moved towards noise, the more the larger the clip; `latent_size` is (T, H, W)."""
    frames, area = (latent_size[0] - 1) * 4 + 1, (latent_size[1] * 8) * (latent_size[2] * 8)
    if frames == 1:
        shift = _line(area, (256 * 256, 1.0), (1024 * 1024, 3.2))
    else:
        shift = _line(area * frames, (256 * 256 * 37, 1.0), (1280 * 720 * 145, 5.0))
    t = timestep / TIMESTEPS
    return TIMESTEPS * shift * t / (1 + (shift - 1) * t)


def _line(x: float, first: tuple[float, float], second: tuple[float, float]) -> float:
    slope = (second[1] - first[1]) / (second[0] - first[0])
    return slope * (x - first[0]) + first[1]
