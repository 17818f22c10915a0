"""Small random networks for tests."""

from __future__ import annotations

import torch

from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.dit import DiT
from seedvr2.network.vae import VideoVAE

SMALL_DIT = DiTConfig(
    dim=64, heads=2, head_dim=32, text_channels=24, latent_channels=4, patch=(1, 2, 2), mlp_dim=96,
    shared=(False, True, True), gated_mlp=True, output_norm=True, last_text=False, rope="joint", rope_frequencies=5,
)  # fmt: skip
SMALL_VAE = VAEConfig(
    widths=(8, 16, 16), resnets=1, latent_channels=4, kernel=3, down_kernels=(1, 3), up_factors=(2, 1), groups=4
)


def random_dit(config: DiTConfig = SMALL_DIT, seed: int = 0) -> DiT:
    return randomise(meta_dit(config), seed)


def random_vae(config: VAEConfig = SMALL_VAE, seed: int = 0) -> VideoVAE:
    return randomise(meta_vae(config), seed)


def randomise(network, seed: int):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(seed)
    network = network.to_empty(device="cpu")
    for name, tensor in network.state_dict().items():
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        spread = 0.2 if tensor.ndim == 1 else fan**-0.5
        centre = 1.0 if name.endswith(("norm.weight", "scale", "gate", "norm1.weight", "norm2.weight")) else 0.0
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread + centre)
    return network
