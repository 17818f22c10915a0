"""A block of the transformer: attention within windows, then an MLP, over a residual of video tokens and text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seedvr2.network.attention import WindowAttention
from seedvr2.network.config import DiTConfig
from seedvr2.network.dit_layers import GatedMLP, Modulation, PlainMLP, Rows, Streams, Vectors
from seedvr2.network.fused import add_gated, modulated_norm
from seedvr2.network.pieces import rows_at_a_time, slices
from seedvr2.network.rope import RopeTable
from seedvr2.network.windows import WindowLayout


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
        if text_answer is not None and modulation.text is not None:
            text = add_gated(text, text_answer, modulation.text[0].gate)
            text = _added(text, self._mlp(text, text_mlp(), modulation.text[1]), modulation.text[1].gate)
        video = _added(video, self._mlp(video, mlp(), modulation.video[1]), modulation.video[1].gate)
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
