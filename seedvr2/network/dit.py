"""SeedVR2's diffusion transformer, 3B-like and 7B-like (spec: engine.md, sections 1 and 2).

It predicts the velocity v of a latent clip from noise, the condition latent and a fixed text embedding; the one
step of the sampler is x0 = noise − v.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.checkpoint import PackedTensor
from seedvr2.network import rope
from seedvr2.network.attention import WindowAttention
from seedvr2.network.config import TIMESTEP_CHANNELS, DiTConfig
from seedvr2.network.dit_layers import GatedMLP, Linear, Modulation, PlainMLP, Rows, Scale, Streams, Vectors
from seedvr2.network.expanded import Shelf
from seedvr2.network.fused import add_gated, modulated_norm
from seedvr2.network.memo import Memo
from seedvr2.network.parking import Parked
from seedvr2.network.pieces import rows_at_a_time, slices
from seedvr2.network.rope import RopeTable
from seedvr2.network.stored import expand
from seedvr2.network.swap import BlockSwap
from seedvr2.network.windows import Size, WindowLayout, layout_change, window_layout

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


@dataclass(frozen=True, slots=True)
class BlockModulation:
    """All that the timestep and a block's learned vectors say: what modulates each half of each stream, if anything."""

    video: tuple[Vectors, Vectors]
    text: tuple[Vectors, Vectors] | None


class Block(nn.Module):
    """Attention, then MLP, each normalised, modulated, gated and added."""

    def __init__(self, config: DiTConfig, index: int) -> None:
        super().__init__()
        shared = config.shared[index]
        # Nobody reads the text after the last block: its weights may be in the file, but only keys and values count.
        last = index == len(config.shared) - 1
        self.text_modulated = not last or config.last_text
        self.mlp_width = config.mlp_dim * (2 if config.gated_mlp else 1)
        text = shared or self.text_modulated
        mlp = GatedMLP if config.gated_mlp else PlainMLP
        self.attn = WindowAttention(config, shared=shared, last=last)
        self.mlp = Streams(lambda: mlp(config.dim, config.mlp_dim), shared=shared, text=text)
        self.ada = Streams(lambda: Modulation(config.dim), shared=shared, text=text)

    def modulation(self, emb: Tensor, dtype: torch.dtype) -> BlockModulation:
        """What modulates tokens of type `dtype`; `emb` as in `Modulation`."""

        def both(ada: nn.Module) -> tuple[Vectors, Vectors]:
            assert isinstance(ada, Modulation)
            return ada.vectors("attn", emb, dtype), ada.vectors("mlp", emb, dtype)

        return BlockModulation(both(self.ada.video), both(self.ada.text) if self.text_modulated else None)

    def forward(
        self, video: Tensor, text: Tensor, modulation: BlockModulation, layout: WindowLayout, table: RopeTable
    ) -> tuple[Tensor, Tensor]:
        """Tokens (tokens, dim), in the window order of `layout`, and text (length, dim) through the block.

        Both are overwritten unless gradients are recorded.
        """
        norms = _norm(modulation.video[0]), _norm(modulation.text[0] if modulation.text else None)
        answers, text_answer = self.attn(video, text, norms, layout, table)
        video = _added(video, answers, modulation.video[0].gate)
        mlp, text_mlp = self.mlp.prepared(video, text)
        video = _added(video, self._mlp(video, mlp, modulation.video[1]), modulation.video[1].gate)
        if text_answer is not None and modulation.text is not None:
            text = add_gated(text, text_answer, modulation.text[0].gate)
            text = _added(text, self._mlp(text, text_mlp(), modulation.text[1]), modulation.text[1].gate)
        return video, text

    def _mlp(self, x: Tensor, mlp: Rows, vectors: Vectors) -> Iterator[tuple[slice, Tensor]]:
        step = len(x) if torch.is_grad_enabled() else rows_at_a_time(self.mlp_width * x.itemsize, x.device)
        for rows in slices(len(x), step):
            yield rows, mlp(modulated_norm(x[rows], vectors.shift, vectors.scale))


def _norm(vectors: Vectors | None) -> Rows:
    return lambda x: modulated_norm(x, vectors.shift, vectors.scale) if vectors else modulated_norm(x)


def _added(residual: Tensor, answers: Iterator[tuple[slice, Tensor]], gate: Tensor) -> Tensor:
    """The residual with gated answers to its rows added, which come some at a time and all of them once."""
    if torch.is_grad_enabled():
        return add_gated(residual, torch.cat([answer for _, answer in answers]), gate)
    for rows, answer in answers:
        add_gated(residual[rows], answer, gate)
    return residual


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

    def vectors(self, norm: Tensor, emb: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale (dim,) in float32, the norm's weight in the scale.

        With the *attention* slice of the embedding: the model was trained so (engine.md, 1.9).
        """
        shift = emb[:, 0, 0] + expand(self.out_shift, emb)
        scale = emb[:, 0, 1] + expand(self.out_scale, emb)
        return shift, scale * expand(norm, emb)


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What follows from the timestep alone: its embedding, what modulates the blocks, and what the output."""

    emb: Tensor
    blocks: tuple[BlockModulation, ...]
    output: tuple[Tensor, Tensor] | None


_State = list[tuple[Tensor, int]]


def _same(first: _State, second: _State) -> bool:
    return all(a is b and n == m for (a, n), (b, m) in zip(first, second, strict=True))


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
        self._tables = [self._table(rope.base_frequencies(config.rope, config.rope_frequencies))] * len(self.blocks)
        self._kept = Memo(2)
        self.swap: BlockSwap | None = None

    def parts(self) -> Iterator[nn.Module]:
        """Its blocks, but those that wait in main memory anyway, and what is before and behind them."""
        yield from (block for index, block in enumerate(self.blocks) if self.swap is None or index not in self.swap)
        yield from (part for part in self.children() if part is not self.blocks)

    def use_stored_frequencies(self) -> None:
        """Rotate each block with the frequencies that the file holds, rounded as they are, as the reference does."""
        names = [f"blocks.{index}.attn.rope.rope.freqs" for index in range(len(self.blocks))]
        self._tables = [self._table(self.get_buffer(name)) for name in names]

    @contextmanager
    def keeping_expanded(self, room: int) -> Iterator[None]:
        """In here forwards leave expanded weights in main memory for later ones, up to `room` bytes.

        Only on a processor: elsewhere memory is for the clip. Weights must not change meanwhile.
        """
        linears = [module for module in self.blocks.modules() if isinstance(module, Linear)]
        shelf = Shelf(room) if room > 0 and self.transfer is None else None
        try:
            for linear in linears:
                linear.shelf = shelf
            yield
        finally:
            for linear in linears:
                linear.shelf = None

    def _table(self, frequencies: Tensor) -> RopeTable:
        return RopeTable(self.config.rope, frequencies, self.config.head_dim)

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
        patches, grid = self._patch(latent)
        conditioning = self.conditioning(timestep, patches.device, patches.dtype)
        order = window_layout(grid, self.config.windows, False, patches.device)
        # Tokens are narrowest here and behind the last product: that is where they change their order.
        video = self.vid_in.proj(patches[order.order])
        words = self.txt_in(text.to(video.dtype))

        def tell(name: str, tensor: Tensor, places: Tensor | None = None) -> None:
            if probe is not None:
                probe(name, tensor.clone() if places is None else tensor[places])

        tell("patch_in.vid", video, order.places)
        tell("txt_in", words)
        tell("emb", conditioning.emb[None])
        before = False
        with closing(self._present_blocks()) as blocks:
            for index, block in enumerate(blocks):
                shifted = index % 2 == 1
                change = layout_change(grid, self.config.windows, before, shifted, video.device)
                video = video if change is None else video[change]
                layout, before = window_layout(grid, self.config.windows, shifted, video.device), shifted
                video, words = block(video, words, conditioning.blocks[index], layout, self._tables[index])
                tell(f"block{index}.vid", video, layout.places)
                tell(f"block{index}.txt", words)
        if conditioning.output is not None:
            video = modulated_norm(video, *conditioning.output)
        tell("pre_out.vid", video, layout.places)
        return self._unpatch(self.vid_out.proj(video)[layout.places], grid)

    def conditioning(self, timestep: float, device: torch.device, dtype: torch.dtype) -> Conditioning:
        """What follows from the timestep, for tokens of a type on a device: kept, until a weight behind it changes."""
        if torch.is_grad_enabled():
            return self._condition(timestep, device, dtype)
        state = self._state()

        def make() -> tuple[_State, Conditioning]:
            return state, self._condition(timestep, device, dtype)

        made_of, conditioning = self._kept.get((timestep, device, dtype), make)
        if not _same(made_of, state):
            self._kept.clear()
            _, conditioning = self._kept.get((timestep, device, dtype), make)
        return conditioning

    def _condition(self, timestep: float, device: torch.device, dtype: torch.dtype) -> Conditioning:
        emb = self.emb_in(timestep, device)
        parts = emb.view(-1, 2, 3)
        output = self.vid_out_ada.vectors(self.vid_out_norm.weight, parts) if self.config.output_norm else None
        return Conditioning(emb, tuple(block.modulation(parts, dtype) for block in self._blocks()), output)

    def _blocks(self) -> Iterator[Block]:
        return (cast(Block, block) for block in self.blocks)

    def _state(self) -> _State:
        """The weights behind the conditioning, and how often each was written to."""
        parts: list[nn.Module] = [part for block in self._blocks() for part in block.ada.modules()]
        parts += [self.vid_out_norm, self.vid_out_ada] if self.config.output_norm else []
        weights: list[Tensor] = [weight for part in parts for weight in part._parameters.values() if weight is not None]
        if self.transfer is None:
            # Where weights travel, matrices are other objects after each journey, with the same numbers.
            stored = (cast(Linear, part).weight for part in self.emb_in.children())
            weights += [weight.data if isinstance(weight, PackedTensor) else weight for weight in stored]
        return [(weight, 0 if weight.is_inference() else weight._version) for weight in weights]

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
