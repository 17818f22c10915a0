"""What a model looks like, read off its tensors: names and shapes, never the name of its file.

What shapes cannot tell (the window setting, the groups of the VAE's norms, the latent's scale) comes from the
file's metadata where there is some, and is SeedVR2's own value otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from seedvr2.errors import CheckpointError
from seedvr2.network import rope

Shapes = Mapping[str, tuple[int, ...]]

MASK_CHANNELS = 1
TIMESTEP_CHANNELS = 256


@dataclass(frozen=True, slots=True)
class DiTConfig:
    """Hyper-parameters of the diffusion transformer (spec: engine.md, sections 1 and 2)."""

    dim: int
    heads: int
    head_dim: int
    text_channels: int
    latent_channels: int
    patch: tuple[int, int, int]
    mlp_dim: int
    # One entry a block: True where text and video share one set of weights (`all`), False for `vid` and `txt`.
    shared: tuple[bool, ...]
    gated_mlp: bool  # SwiGLU without biases (3B), or Linear-GELU-Linear with biases (7B)
    output_norm: bool  # 3B ends with a modulated norm
    last_text: bool  # whether the last block still modulates its text (7B)
    rope: str
    rope_frequencies: int
    windows: tuple[int, int, int] = (4, 3, 3)

    @property
    def input_channels(self) -> int:
        """Channels of the input latent: noise, condition, mask."""
        return 2 * self.latent_channels + MASK_CHANNELS

    @property
    def params(self) -> str:
        """`3B`, `7B`, or the number of parameters for a model that is neither, such as `1.4B` or `8M`."""
        per_block = self.dim * self.dim * 4 + self.dim * self.mlp_dim * (3 if self.gated_mlp else 2)
        count = sum(per_block * (1 if shared else 2) for shared in self.shared)
        for name, size in (("3B", 3.39e9), ("7B", 8.24e9)):
            if abs(count / size - 1) < 0.03:
                return name
        return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{max(count / 1e6, 0.1):.1f}M"


@dataclass(frozen=True, slots=True)
class VAEConfig:
    """Hyper-parameters of the causal video VAE (spec: engine.md, section 3)."""

    widths: tuple[int, ...]
    resnets: int  # residual blocks per down block; an up block has one more
    latent_channels: int
    kernel: int  # temporal size of the 3x3 convolutions
    # Per level that is followed by another: temporal kernel of its downsampler (3: halves time; 1: does not).
    down_kernels: tuple[int, ...]
    # Per level that is followed by another: factor in time of its upsampler.
    up_factors: tuple[int, ...]
    attention: bool = True  # whether the middle blocks attend over the frame
    groups: int = 32
    scale: float = 0.9152
    slice_frames: int = 4
    keeps_colours: bool = False  # whether colours come through by construction, so that there is no drift to undo

    @property
    def spatial_factor(self) -> int:
        """Pixels per latent, along one edge."""
        return int(2 ** len(self.down_kernels))

    @property
    def temporal_factor(self) -> int:
        """Frames per latent frame: 4n+1 frames give n+1 latent frames."""
        return math.prod(self.up_factors)

    @property
    def slices(self) -> tuple[int, int]:
        """Frames that lead the first slice of a clip, and frames of each: one by one where no layer looks at others."""
        if {self.kernel, *self.down_kernels, *self.up_factors} == {1}:
            return 0, 1
        return 1, self.slice_frames


def is_dit(shapes: Shapes) -> bool:
    """Whether these are the tensors of a diffusion transformer of this family."""
    return "vid_in.proj.weight" in shapes and "vid_out.proj.weight" in shapes


def is_vae(shapes: Shapes) -> bool:
    """Whether these are the tensors of a VAE of this family."""
    # Convolutions in time as well: the VAEs of pictures have tensors of the same names, in two dimensions.
    return all(len(shapes.get(f"{part}.conv_in.weight", ())) == 5 for part in ("encoder", "decoder"))


def read_dit_config(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> DiTConfig:
    """The configuration that these tensors have.

    Args:
        shapes: logical shape of each tensor, by name.
        metadata: the file's; `windows` ("4,3,3") is looked at.

    Raises:
        CheckpointError: a tensor is missing that every model of this family has.
    """
    blocks = _count(shapes, r"blocks\.(\d+)\.")
    dim, patch_in = _shape(shapes, "vid_in.proj.weight", 2)
    patch_out, _ = _shape(shapes, "vid_out.proj.weight", 2)
    # in = (2c + 1)·p and out = c·p for c latent channels and patches of p latents.
    patch_area = patch_in - 2 * patch_out
    edge = math.isqrt(max(patch_area, 0))
    if patch_area < 1 or edge * edge != patch_area or patch_out % patch_area:
        raise CheckpointError(f"vid_in takes {patch_in} and vid_out gives {patch_out} channels: not a SeedVR2 model.")
    shared = tuple(f"blocks.{i}.attn.proj_qkv.all.weight" in shapes for i in range(blocks))
    first, last = ("all" if flag else "vid" for flag in (shared[0], shared[-1]))
    (head_dim,) = _shape(shapes, f"blocks.0.attn.norm_q.{first}.weight", 1)
    (frequencies,) = _shape(shapes, "blocks.0.attn.rope.rope.freqs", 1)
    kinds = [kind for kind in rope.KINDS if rope.frequency_count(kind, head_dim) == frequencies]
    if not kinds:
        raise CheckpointError(f"{frequencies} RoPE frequencies do not fit heads of {head_dim} channels.")
    gated = f"blocks.0.mlp.{first}.proj_in_gate.weight" in shapes
    return DiTConfig(
        dim=dim,
        heads=_shape(shapes, f"blocks.0.attn.proj_qkv.{first}.weight", 2)[0] // (3 * head_dim),
        head_dim=head_dim,
        text_channels=_shape(shapes, "txt_in.weight", 2)[1],
        latent_channels=patch_out // patch_area,
        patch=(1, edge, edge),
        mlp_dim=_shape(shapes, f"blocks.0.mlp.{first}.proj_in.weight", 2)[0],
        shared=shared,
        gated_mlp=gated,
        output_norm="vid_out_norm.weight" in shapes,
        last_text=last == "vid" and f"blocks.{blocks - 1}.ada.txt.attn_shift" in shapes,
        rope=kinds[0],
        rope_frequencies=frequencies,
        windows=_windows(metadata or {}),
    )


def read_vae_config(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> VAEConfig:
    """The configuration that these tensors have.

    Args:
        shapes: logical shape of each tensor, by name.
        metadata: the file's; `norm_num_groups`, `scaling_factor` and `keeps_colours` ("true") are looked at.

    Raises:
        CheckpointError: a tensor is missing that every VAE of this family has, or the groups do not fit.
    """
    metadata = metadata or {}
    levels = _count(shapes, r"encoder\.down_blocks\.(\d+)\.")
    widths = tuple(_shape(shapes, f"encoder.down_blocks.{i}.resnets.0.conv1.weight", 5)[0] for i in range(levels))
    downs = tuple(
        _shape(shapes, f"encoder.down_blocks.{i}.downsamplers.0.conv.weight", 5)[2] for i in range(levels - 1)
    )
    ups = []
    for i in range(levels - 1):
        out, width, *_ = _shape(shapes, f"decoder.up_blocks.{i}.upsamplers.0.upscale_conv.weight", 5)
        ups.append(out // (4 * width))
    groups = int(_number(metadata, "norm_num_groups", 32))
    if groups < 1 or any(width % groups for width in widths):
        raise CheckpointError(f"The VAE's widths {widths} cannot be normalised in {groups} groups.")
    return VAEConfig(
        widths=widths,
        resnets=_count(shapes, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        latent_channels=_shape(shapes, "decoder.conv_in.weight", 5)[1],
        kernel=_shape(shapes, "encoder.conv_in.weight", 5)[2],
        down_kernels=downs,
        up_factors=tuple(ups),
        attention="encoder.mid_block.attentions.0.to_q.weight" in shapes,
        groups=groups,
        scale=_number(metadata, "scaling_factor", 0.9152),
        keeps_colours=metadata.get("keeps_colours") == "true",
    )


def _windows(metadata: Mapping[str, str]) -> tuple[int, int, int]:
    numbers = [int(n) for n in re.findall(r"\d{1,9}", metadata.get("windows", "4,3,3"))]
    if len(numbers) != 3 or 0 in numbers:
        raise CheckpointError(f"The file's window setting {metadata['windows']!r} is not three numbers.")
    return numbers[0], numbers[1], numbers[2]


def _number(metadata: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(metadata.get(name, default))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CheckpointError(f"The file's {name} is {metadata[name][:40]!r}, which is no number.")
    return number


def _shape(shapes: Shapes, name: str, rank: int) -> tuple[int, ...]:
    if name not in shapes:
        raise CheckpointError(f"The file has no tensor {name}: it is not a SeedVR2 model, or it is incomplete.")
    if len(shapes[name]) != rank:
        raise CheckpointError(f"The tensor {name} has the shape {list(shapes[name])}, but {rank} axes are needed.")
    if 0 in shapes[name]:
        raise CheckpointError(f"The tensor {name} is empty: it is not a SeedVR2 model, or it is damaged.")
    return shapes[name]


def _count(shapes: Shapes, pattern: str) -> int:
    numbers = {int(match[1]) for name in shapes if (match := re.match(pattern, name))}
    if not numbers or numbers != set(range(len(numbers))):
        raise CheckpointError(
            f"The file has tensors of the parts {sorted(numbers)[:40]} for {pattern!r}: some are missing."
        )
    return len(numbers)
