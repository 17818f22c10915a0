"""SeedVR2's diffusion transformer, 3B-like and 7B-like (spec: engine.md, sections 1 and 2).

It predicts the velocity v of a latent clip from noise, the condition latent and a fixed text embedding; the one
step of the sampler is x0 = noise − v.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from seedvr2.network import rope
from seedvr2.network.block import Block
from seedvr2.network.conditioning import Conditioning, KeptConditioning, OutputModulation, TimestepEmbedding
from seedvr2.network.config import DiTConfig
from seedvr2.network.dit_layers import Linear, Scale
from seedvr2.network.expanded import Shelf
from seedvr2.network.fused import modulated_norm
from seedvr2.network.parking import Parked
from seedvr2.network.rope import RopeTable
from seedvr2.network.swap import BlockSwap
from seedvr2.network.windows import Size, layout_change, window_layout

Probe = Callable[[str, Tensor], None]


class PatchProjection(nn.Module):
    """The linear layer that patches go through on their way in or out."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = Linear(inputs, outputs)


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
        self._kept = KeptConditioning()
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
        parts = [*self.emb_in.children(), *(part for block in self._blocks() for part in block.ada.modules())]
        parts += [self.vid_out_norm, self.vid_out_ada] if self.config.output_norm else []
        return self._kept.get(
            (timestep, device, dtype),
            parts,
            lambda: self._condition(timestep, device, dtype),
            travels=self.transfer is not None,
        )

    def _condition(self, timestep: float, device: torch.device, dtype: torch.dtype) -> Conditioning:
        emb = self.emb_in(timestep, device)
        parts = emb.view(-1, 2, 3)
        output = self.vid_out_ada.vectors(self.vid_out_norm.weight, parts) if self.config.output_norm else None
        return Conditioning(emb, tuple(block.modulation(parts, dtype) for block in self._blocks()), output)

    def _blocks(self) -> Iterator[Block]:
        return (cast(Block, block) for block in self.blocks)

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
