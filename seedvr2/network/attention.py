"""Window attention over video and text (spec: engine.md, sections 1.5 to 1.8).

Each window of video tokens attends to itself and to all of the text. The text attends in every window too, and
takes the plain mean of what the windows answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from seedvr2.network.attending import attend
from seedvr2.network.config import DiTConfig
from seedvr2.network.dit_layers import Linear, Rows, Scale, Streams
from seedvr2.network.fused import turn_heads
from seedvr2.network.pieces import rows_at_a_time
from seedvr2.network.products import Product
from seedvr2.network.rope import RopeTable
from seedvr2.network.stored import expand
from seedvr2.network.windows import WindowLayout


class Rope(nn.Module):
    """Holds the frequencies that checkpoints carry; they are checked, and used only on request."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.rope = nn.Module()
        self.rope.register_buffer("freqs", torch.empty(count))


class Joined:
    """Queries, keys and values in window order; in each window those of its tokens, then those of the text.

    Attributes:
        queries: (rows, heads, head_dim), scaled. keys_values: (rows, 2, heads, head_dim).
        runs: how long the windows are, as `attend` takes it.
    """

    def __init__(self, like: Tensor, layout: WindowLayout, heads: int, head_dim: int, text: int, asking: int) -> None:
        """Room for windows of a layout with so many tokens of `text`, of which so many are `asking`."""
        self._layout = layout
        self._asking = asking
        self.runs = [(length + asking, length + text, windows) for length, windows in layout.lengths]
        self.queries = like.new_empty(sum(run[0] * run[2] for run in self.runs), heads, head_dim)
        self.keys_values = like.new_empty(sum(run[1] * run[2] for run in self.runs), 2, heads, head_dim)
        self._text = text

    def groups(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each group of the layout: queries (windows, length, …) and keys and values (windows, length, 2, …)."""
        first = start = 0
        for group in self._layout.groups:
            windows, length = group.tokens.shape
            # One view at a time: those that are made together may not be written to while gradients are recorded.
            last, stop = first + windows * (length + self._asking), start + windows * (length + self._text)
            queries, keys_values = self.queries[first:last], self.keys_values[start:stop]
            yield (
                queries.view(windows, -1, *queries.shape[1:]),
                keys_values.view(windows, -1, *keys_values.shape[1:]),
            )
            first, start = last, stop


class WindowAttention(nn.Module):
    """Attention of one block; whether windows are shifted is the layout's business."""

    def __init__(self, config: DiTConfig, *, shared: bool, last: bool = False) -> None:
        super().__init__()
        dim, inner = config.dim, config.heads * config.head_dim
        self.heads = config.heads
        self.head_dim = config.head_dim
        self.proj_qkv = Streams(lambda: Linear(dim, 3 * inner, bias=False), shared=shared)
        self.proj_out = Streams(lambda: Linear(inner, dim), shared=shared)
        self.norm_q = Streams(lambda: Scale(config.head_dim), shared=shared)
        self.norm_k = Streams(lambda: Scale(config.head_dim), shared=shared)
        self.rope = Rope(config.rope_frequencies)
        self._last = last

    def forward(
        self, video: Tensor, text: Tensor, norms: tuple[Rows, Rows], layout: WindowLayout, table: RopeTable
    ) -> tuple[Iterator[tuple[slice, Tensor]], Tensor | None]:
        """Attend within windows.

        Args:
            video: residual (tokens, dim) in window order; text: residual (length, dim); of several clips, one after
                another, where the layout has several.
            norms: what makes modulated rows of both, those of the video some at a time.
            layout: the windows of this block; table: their rotary angles.

        Returns:
            The video's answer after `proj_out`, as rows and what they are (rows, dim), some at a time; the text's
            answer (length, dim) after it, or None in the last block, where nobody reads it.
        """
        joined = self._join(video, text, norms, layout, table)
        answers = attend(joined.queries, joined.keys_values, joined.runs)
        joined.keys_values = joined.queries = video.new_empty(0)  # freed where the answers lie elsewhere
        by_group = list(self._by_group(answers, layout))
        product, text_product = self.proj_out.prepared(video, text)
        text_answer = None if self._last else text_product()(self._text_mean(by_group, layout).to(text.dtype))
        return self._project(by_group, product(), layout, video), text_answer

    def _join(
        self, video: Tensor, text: Tensor, norms: tuple[Rows, Rows], layout: WindowLayout, table: RopeTable
    ) -> Joined:
        length = len(text) // layout.clips
        joined = Joined(video, layout, self.heads, self.head_dim, length, 0 if self._last else length)
        video_product, text_product = self.proj_qkv.prepared(video, text)
        # The text first: where its weights are other ones, only one of both is expanded at a time.
        self._join_text(joined, norms[1](text), cast(Product, text_product()), layout, table)
        product = video_product()
        weights = self._weights(self.norm_q.video, self.norm_k.video, video)
        groups = list(joined.groups())
        for piece in layout.pieces(self._rows(video)):
            group = layout.groups[piece.group]
            turns = table.video(group.size, length, video.device)[piece.tokens]
            x = product(norms[0](video[piece.rows]))
            windows = piece.windows.stop - piece.windows.start
            q, k, v = x.view(windows, -1, 3, self.heads, self.head_dim).unbind(2)
            queries, keys_values = (each[piece.windows, piece.tokens] for each in groups[piece.group])
            turn_heads(q, weights[0], turns, queries)
            turn_heads(k, weights[1], turns, keys_values[:, :, 0])
            keys_values[:, :, 1] = v
        return joined

    def _join_text(
        self, joined: Joined, text: Tensor, product: Product, layout: WindowLayout, table: RopeTable
    ) -> None:
        """The text behind the tokens of each window: it is the same in all of a clip's."""
        parts = 2 if self._last else 3
        inner = self.heads * self.head_dim
        x = product(text) if parts == 3 else product.last(2 * inner)(text)
        x = x.view(layout.clips, -1, parts, self.heads, self.head_dim)
        length = x.shape[1]
        turns = table.text(length, text.device)
        ready = torch.empty_like(x)
        for index, weight in enumerate(self._weights(self.norm_q.text, self.norm_k.text, text)[3 - parts :]):
            turn_heads(x[:, :, index], weight, turns, ready[:, :, index])
        ready[:, :, -1] = x[:, :, -1]
        # One more axis: the windows of a clip.
        ready = ready[:, None]
        for queries, keys_values in joined.groups():
            if parts == 3:
                _by_clip(queries[:, -length:], layout).copy_(ready[:, :, :, 0])
            _by_clip(keys_values[:, -length:], layout).copy_(ready[:, :, :, -2:])

    def _weights(self, norm_q: nn.Module, norm_k: nn.Module, like: Tensor) -> tuple[Tensor, Tensor]:
        """The norms' weights (head_dim,) in float32, the scale of the scores in that of the queries."""
        exact = like.new_empty(0, dtype=torch.float32)
        q, k = (expand(cast(Tensor, norm.weight), exact) for norm in (norm_q, norm_k))
        return q * self.head_dim**-0.5, k

    @staticmethod
    def _by_group(answers: list[Tensor], layout: WindowLayout) -> Iterator[Tensor]:
        """The same answers, (windows, length, …) of each group: a run holds the groups whose windows are as long."""
        runs, start = iter(answers), 0
        run: Tensor | None = None
        for group in layout.groups:
            if run is None or start == len(run):
                run, start = next(runs), 0
            windows = len(group.tokens)
            yield run[start : start + windows]
            start += windows

    def _text_mean(self, answers: list[Tensor], layout: WindowLayout) -> Tensor:
        """The mean over a clip's windows, (clips * length, heads * head_dim) in float32."""
        total: Tensor | float = 0.0
        for answer, group in zip(answers, layout.groups, strict=True):
            of_text = _by_clip(answer[:, group.tokens.shape[1] :], layout)
            total = total + of_text.sum(1, dtype=torch.float32)
        return (cast(Tensor, total) / layout.count).flatten(0, 1).flatten(1)

    def _project(
        self, answers: list[Tensor], product: Rows, layout: WindowLayout, video: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        for piece in layout.pieces(self._rows(video)):
            yield piece.rows, product(answers[piece.group][piece.windows, piece.tokens].flatten(2).flatten(0, 1))

    def _rows(self, video: Tensor) -> int:
        if torch.is_grad_enabled():
            return len(video)
        inner = self.heads * self.head_dim
        # The three products, and two of them in float32.
        return rows_at_a_time(inner * (3 * video.itemsize + 2 * torch.float32.itemsize), video.device)


def _by_clip(x: Tensor, layout: WindowLayout) -> Tensor:
    """(windows, …) of several clips as (clips, windows of each, …)."""
    return x.view(layout.clips, -1, *x.shape[1:])
