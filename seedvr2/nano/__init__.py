"""The embedded model: a small network of SeedVR2's own architecture that needs no download."""

from pathlib import Path

NAME = "nano"
DIT_FILE = Path(__file__).with_name("nano_dit_fp16.safetensors")
VAE_FILE = Path(__file__).with_name("nano_vae_fp16.safetensors")
