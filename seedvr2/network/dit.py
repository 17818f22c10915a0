"""SeedVR2's diffusion transformer, 3B-like and 7B-like (spec: engine.md, sections 1 and 2).

It predicts the velocity v of a latent clip from noise, the condition latent and a fixed text embedding; the one
step of the sampler is x0 = noise − v.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network import rope
from seedvr2.network.attention import WindowAttention
from seedvr2.network.config import TIMESTEP_CHANNELS, DiTConfig
from seedvr2.network.dit_layers import GatedMLP, Linear, Modulation, PlainMLP, Scale, Streams, rms_norm
from seedvr2.network.parking import Parked
from seedvr2.network.rope import RopeTable
from seedvr2.network.stored import expand
from seedvr2.network.swap import BlockSwap
from seedvr2.network.windows import Size, WindowLayout, window_layout

Probe = Callable[[str, Tensor], None]


@lru_cache(maxsize=1)
def timestep_frequencies() -> Tensor:
    """The 128 frequencies exp(−ln(10000)·i/128) in float32, bit for bit those of the reference on any machine.

    At t = 1000 one unit in the last place of a frequency turns its angle by 1e-5 to 6e-5, so the rounding of a
    processor's own float32 `exp` would be the largest error of the whole network.
    """
    half = TIMESTEP_CHANNELS // 2
    exponents = -math.log(10000.0) * torch.arange(half, dtype=torch.float32, device="cpu") / half
    frequencies = exponents.double().exp().float()
    # 0.473 of a unit above the lower neighbour: the one value that the reference's `exp` rounds the other way.
    frequencies[13] = torch.nextafter(frequencies[13], torch.tensor(1.0, device="cpu"))
    return frequencies


class TimestepEmbedding(nn.Module):
    """The timestep as modulation: sinusoids, then three linear layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj_in = Linear(TIMESTEP_CHANNELS, dim)
        self.proj_hid = Linear(dim, dim)
        self.proj_out = Linear(dim, 6 * dim)

    def forward(self, timestep: float, device: torch.device) -> Tensor:
        """Embedding (6*dim,) in float32 of a timestep in 0…1000."""
        angles = timestep * timestep_frequencies().to(device)
        x = torch.cat((angles.sin(), angles.cos()))
        x = F.silu(self.proj_in(x))
        x = F.silu(self.proj_hid(x))
        return cast(Tensor, self.proj_out(x))


class Block(nn.Module):
    """Attention, then MLP, each normalised, modulated, gated and added."""

    def __init__(self, config: DiTConfig, index: int) -> None:
        super().__init__()
        shared = config.shared[index]
        last = index == len(config.shared) - 1
        self.text_ends = last  # nobody reads the text after the last block
        self.text_modulated = not last or config.last_text
        text = shared or self.text_modulated
        mlp = GatedMLP if config.gated_mlp else PlainMLP
        self.attn = WindowAttention(config, shared=shared)
        self.mlp = Streams(lambda: mlp(config.dim, config.mlp_dim), shared=shared, text=text)
        self.ada = Streams(lambda: Modulation(config.dim), shared=shared, text=text)

    def forward(
        self, video: Tensor, text: Tensor, emb: Tensor, layout: WindowLayout, table: RopeTable
    ) -> tuple[Tensor, Tensor]:
        """Tokens (tokens, dim) and text (length, dim) through the block; `emb` as in `Modulation`."""
        ada = cast(Modulation, self.ada.video)
        text_ada = cast(Modulation, self.ada.text) if self.text_modulated else None

        hidden = ada.shift_scale(rms_norm(video), "attn", emb)
        text_hidden = rms_norm(text)
        if text_ada is not None:
            text_hidden = text_ada.shift_scale(text_hidden, "attn", emb)
        hidden, text_answer = self.attn(hidden, text_hidden, layout, table, text_result=not self.text_ends)
        video = video + ada.gate(hidden, "attn", emb)
        video = video + self._mlp(video, ada, self.mlp.video, emb)
        if text_answer is not None and text_ada is not None:
            text = text + text_ada.gate(text_answer, "attn", emb)
            text = text + self._mlp(text, text_ada, self.mlp.text, emb)
        return video, text

    @staticmethod
    def _mlp(x: Tensor, ada: Modulation, mlp: nn.Module, emb: Tensor) -> Tensor:
        return ada.gate(mlp(ada.shift_scale(rms_norm(x), "mlp", emb)), "mlp", emb)


class PatchProjection(nn.Module):
    """The linear layer that patches go through on their way in or out."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = Linear(inputs, outputs)


class OutputModulation(nn.Module):
    """The learned half of the last modulation (3B)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_shift = nn.Parameter(torch.empty(dim))
        self.out_scale = nn.Parameter(torch.empty(dim))

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Shift and scale with the *attention* slice of the embedding: the model was trained so (engine.md, 1.9)."""
        shift = emb[:, 0, 0] + expand(self.out_shift, emb)
        scale = emb[:, 0, 1] + expand(self.out_scale, emb)
        return torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype))


class DiT(Parked):
    """The transformer over one latent clip.

    Attributes:
        swap: sends the weights of blocks that wait in main memory; None where none do.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        area = math.prod(config.patch)
        self.vid_in = PatchProjection(config.input_channels * area, config.dim)
        self.txt_in = Linear(config.text_channels, config.dim)
        self.emb_in = TimestepEmbedding(config.dim)
        self.blocks = nn.ModuleList(Block(config, index) for index in range(len(config.shared)))
        if config.output_norm:
            self.vid_out_norm = Scale(config.dim)
            self.vid_out_ada = OutputModulation(config.dim)
        self.vid_out = PatchProjection(config.dim, config.latent_channels * area)
        table = RopeTable(config.rope, rope.base_frequencies(config.rope, config.rope_frequencies))
        self._tables = [table] * len(self.blocks)
        self.swap: BlockSwap | None = None

    def parts(self) -> Iterator[nn.Module]:
        """Its blocks, but those that wait in main memory anyway, and what is before and behind them."""
        yield from (block for index, block in enumerate(self.blocks) if self.swap is None or index not in self.swap)
        yield from (part for part in self.children() if part is not self.blocks)

    def use_stored_frequencies(self) -> None:
        """Rotate each block with the frequencies that the file holds, rounded as they are, as the reference does."""
        names = [f"blocks.{index}.attn.rope.rope.freqs" for index in range(len(self.blocks))]
        self._tables = [RopeTable(self.config.rope, self.get_buffer(name)) for name in names]

    def forward(self, latent: Tensor, text: Tensor, timestep: float = 1000.0, probe: Probe | None = None) -> Tensor:
        """Predict the velocity of a clip.

        Args:
            latent: (T, H, W, 2c+1): noise, condition latent and mask of ones; H and W multiples of the patch.
            text: (L, text_channels), the text embedding.
            timestep: 0…1000; the one-step sampler passes 1000.
            probe: called with a name and the tensor at each station, for tests.

        Returns:
            The velocity (T, H, W, c) in the type of `latent`.
        """
        tell = probe or (lambda _name, _tensor: None)
        video, grid = self._patch(latent)
        video = self.vid_in.proj(video)
        tell("patch_in.vid", video)
        text = self.txt_in(text.to(video.dtype))
        tell("txt_in", text)
        emb = self.emb_in(timestep, video.device)
        tell("emb", emb[None])
        emb = emb.view(-1, 2, 3)
        with closing(self._present_blocks()) as blocks:
            for index, block in enumerate(blocks):
                layout = window_layout(grid, self.config.windows, index % 2 == 1, video.device)
                video, text = block(video, text, emb, layout, self._tables[index])
                tell(f"block{index}.vid", video)
                tell(f"block{index}.txt", text)
        if self.config.output_norm:
            video = self.vid_out_ada(self.vid_out_norm(video), emb)
        tell("pre_out.vid", video)
        return self._unpatch(self.vid_out.proj(video), grid)

    def _present_blocks(self) -> Generator[nn.Module, None, None]:
        if self.swap is None:
            yield from self.blocks
        else:
            yield from self.swap.present()

    def _patch(self, latent: Tensor) -> tuple[Tensor, Size]:
        t, h, w, channels = latent.shape
        pt, ph, pw = self.config.patch
        grid = (t // pt, h // ph, w // pw)
        # Features of a token in the order (dt, dh, dw, c), c fastest.
        x = latent.reshape(grid[0], pt, grid[1], ph, grid[2], pw, channels).permute(0, 2, 4, 1, 3, 5, 6)
        return x.reshape(math.prod(grid), -1), grid

    def _unpatch(self, tokens: Tensor, grid: Size) -> Tensor:
        pt, ph, pw = self.config.patch
        x = tokens.view(*grid, pt, ph, pw, -1).permute(0, 3, 1, 4, 2, 5, 6)
        return x.reshape(grid[0] * pt, grid[1] * ph, grid[2] * pw, -1)
