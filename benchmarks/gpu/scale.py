"""How large the checks are: the real sizes for a card, tiny ones for a processor. The code is the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from seedvr2.network import rope
from seedvr2.network.config import DiTConfig, Shapes, VAEConfig, read_dit_config, read_vae_config

GOLDEN = Path(__file__).parents[2] / "tests" / "fixtures" / "golden"

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Card:
    """A card to emulate, and the model that must run on it."""

    gigabytes: float
    params: str
    precision: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of everything that is run.

    Attributes:
        matmul_edge, copy_bytes, conv: of step 1; conv is (inputs, outputs, frames, height, width).
        dits, vae: the architectures, transformers by the name of their size.
        activations: (T, C, H, W) of what norms are measured on, tokens: how many the transformer's kernels are,
            matrix: shape of the weights that are unpacked.
        narrow: edge in pixels of the clip that is compared with the processor.
        clips: name, size and frames of what the VAE's peaks are taken at.
        token_size, token_frames: size and frames of what the transformer's peaks are taken at.
        precisions: of the 3B whose peaks are taken.
        estimate: least and most of the estimate over the peak.
        cards: what is emulated.
        source, resolution: of the frames that jobs are given, and what they ask for.
        whole: names and resolutions of the whole pictures and clips, and whole_frames the length of a clip.
        models: the sizes and precisions that run them.
    """

    matmul_edge: int
    copy_bytes: int
    conv: tuple[int, int, int, int, int]
    dits: dict[str, DiTConfig]
    vae: VAEConfig
    activations: tuple[int, int, int, int]
    tokens: int
    matrix: tuple[int, int]
    narrow: int
    clips: tuple[tuple[str, Size, int], ...]
    token_size: Size
    token_frames: tuple[int, ...]
    precisions: tuple[str, ...]
    estimate: tuple[float, float]
    cards: tuple[Card, ...]
    source: Size
    resolution: int
    whole: tuple[tuple[str, int], ...]
    whole_frames: int
    models: tuple[tuple[str, str], ...]


_PRECISIONS = ("fp16", "fp8_e4m3fn", "Q8_0", "Q4_K_M")
_MODELS = (("3B", "fp8_e4m3fn"), ("3B", "fp16"), ("7B", "fp16"), ("7B", "Q4_K_M"))


def full() -> Scale:
    """The published models at the sizes that people ask for."""
    clips = [(f"tile {edge}", (edge, edge), 5) for edge in (512, 768, 1024)]
    clips += [(name, size, n) for name, size in (("720p", (1280, 720)), ("1080p", (1920, 1088))) for n in (1, 5, 17)]
    return Scale(
        matmul_edge=8192,
        copy_bytes=8 * 10**9,
        conv=(256, 128, 7, 1088, 1920),
        dits={name: read_dit_config(_published(f"manifest_{name.lower()}")) for name in ("3B", "7B")},
        vae=read_vae_config(_published("manifest_vae")),
        # More than 2³¹ numbers, as untiled clips have.
        activations=(9, 128, 1088, 1920),
        tokens=65536,
        matrix=(65536, 2560),
        narrow=128,
        clips=tuple(clips),
        token_size=(1920, 1088),
        token_frames=(5, 17, 81),
        precisions=_PRECISIONS,
        # The planner leaves 6 % above it. A block is larger than its tensor by up to 1 MiB, which is in no estimate.
        estimate=(0.98, 1.25),
        cards=(
            Card(8, "3B", "Q4_K_M"),
            Card(8, "3B", "fp8_e4m3fn"),
            Card(12, "3B", "fp16"),
            Card(16, "7B", "fp8_e4m3fn"),
            Card(24, "7B", "fp16"),
        ),
        source=(960, 540),
        resolution=1080,
        whole=(("1080p", 1080), ("4K", 2160)),
        whole_frames=17,
        models=_MODELS,
    )


def small() -> Scale:
    """The same structure with networks of a few channels; seconds on a processor."""
    joint = DiTConfig(
        dim=256, heads=4, head_dim=64, text_channels=48, latent_channels=4, patch=(1, 2, 2), mlp_dim=256,
        shared=(False, True, True), gated_mlp=True, output_norm=True, last_text=False,
        rope="joint", rope_frequencies=rope.frequency_count("joint", 64),
    )  # fmt: skip
    pixel = DiTConfig(
        dim=256, heads=4, head_dim=64, text_channels=48, latent_channels=4, patch=(1, 2, 2), mlp_dim=512,
        shared=(False, False, False), gated_mlp=False, output_norm=False, last_text=True,
        rope="pixel", rope_frequencies=rope.frequency_count("pixel", 64),
    )  # fmt: skip
    return Scale(
        matmul_edge=128,
        copy_bytes=10**6,
        conv=(16, 8, 3, 16, 24),
        dits={"3B": joint, "7B": pixel},
        vae=VAEConfig(
            widths=(32, 32, 32), resnets=1, latent_channels=4, kernel=3, down_kernels=(1, 3), up_factors=(2, 1)
        ),
        activations=(2, 64, 9, 12),
        tokens=40,
        matrix=(24, 256),
        narrow=32,
        clips=(("tile 32", (32, 32), 5), ("picture", (48, 32), 1)),
        token_size=(64, 32),
        token_frames=(1, 5),
        precisions=_PRECISIONS,
        # Tiny layers do not follow the laws of large ones; only nonsense fails.
        estimate=(0.02, 50),
        cards=(Card(0.5, "3B", "fp8_e4m3fn"),),
        source=(24, 16),
        resolution=32,
        whole=(("small", 32),),
        whole_frames=6,
        models=_MODELS[1:],
    )


def _published(name: str) -> Shapes:
    """Shapes of a published model's tensors, by name."""
    tensors = json.loads((GOLDEN / f"{name}.json").read_text())["tensors"]
    return {key: tuple(shape) for key, shape in tensors.items()}
