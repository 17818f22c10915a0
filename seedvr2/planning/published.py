"""The networks that are published, as configurations: for what has to be known of them without their files."""

from __future__ import annotations

from functools import lru_cache

from seedvr2.checkpoint import open_checkpoint
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.network import rope
from seedvr2.network.config import DiTConfig, VAEConfig, read_dit_config, read_vae_config

DIT_3B = DiTConfig(
    dim=2560, heads=20, head_dim=128, text_channels=5120, latent_channels=16, patch=(1, 2, 2), mlp_dim=6912,
    shared=(False,) * 10 + (True,) * 22, gated_mlp=True, output_norm=True, last_text=False,
    rope="joint", rope_frequencies=rope.frequency_count("joint", 128),
)  # fmt: skip
DIT_7B = DiTConfig(
    dim=3072, heads=24, head_dim=128, text_channels=5120, latent_channels=16, patch=(1, 2, 2), mlp_dim=12288,
    shared=(False,) * 36, gated_mlp=False, output_norm=False, last_text=True,
    rope="pixel", rope_frequencies=rope.frequency_count("pixel", 128),
)  # fmt: skip
VAE = VAEConfig(
    widths=(128, 256, 512, 512), resnets=2, latent_channels=16, kernel=3, down_kernels=(1, 3, 3), up_factors=(2, 2, 1)
)


@lru_cache(maxsize=1)
def transformers() -> dict[str, DiTConfig]:
    """By name: 3B, 7B, and the embedded model's."""
    file = open_checkpoint(DIT_FILE)
    return {"3B": DIT_3B, "7B": DIT_7B, "nano": read_dit_config(file.shapes, file.metadata)}


@lru_cache(maxsize=1)
def vaes() -> dict[str, VAEConfig]:
    """By name: the published VAE, and the embedded model's."""
    file = open_checkpoint(VAE_FILE)
    return {"seedvr2": VAE, "nano": read_vae_config(file.shapes, file.metadata)}
