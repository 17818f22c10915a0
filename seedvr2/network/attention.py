"""Window attention over video and text (spec: engine.md, sections 1.5 to 1.8).

Each window of video tokens attends to itself and to all of the text. The text attends in every window too, and
takes the plain mean of what the windows answered.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network.config import DiTConfig
from seedvr2.network.dit_layers import Linear, Scale, Streams
from seedvr2.network.rope import RopeTable, rotate
from seedvr2.network.windows import Size, WindowLayout


class Rope(nn.Module):
    """Holds the frequencies that checkpoints carry; they are checked, and used only on request."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.rope = nn.Module()
        self.rope.register_buffer("freqs", torch.empty(count))


class WindowAttention(nn.Module):
    """Attention of one block; whether windows are shifted is the layout's business."""

    def __init__(self, config: DiTConfig, *, shared: bool) -> None:
        super().__init__()
        dim, inner = config.dim, config.heads * config.head_dim
        self.heads = config.heads
        self.proj_qkv = Streams(lambda: Linear(dim, 3 * inner, bias=False), shared=shared)
        self.proj_out = Streams(lambda: Linear(inner, dim), shared=shared)
        self.norm_q = Streams(lambda: Scale(config.head_dim), shared=shared)
        self.norm_k = Streams(lambda: Scale(config.head_dim), shared=shared)
        self.rope = Rope(config.rope_frequencies)

    def forward(
        self, video: Tensor, text: Tensor, layout: WindowLayout, table: RopeTable, *, text_result: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Attend within windows.

        Args:
            video: (tokens, dim) in raster order; text: (length, dim); both modulated; of several clips, one after
                another, where the layout has several.
            layout: the windows of this block; table: their rotary angles.
            text_result: False where nobody reads the text afterwards; its queries are then left out.

        Returns:
            video (tokens, dim) and text (length, dim) or None, both after `proj_out`.
        """
        vq, vk, vv = self._project(video, self.proj_qkv.video, self.norm_q.video, self.norm_k.video)
        tq, tk, tv = (
            part.view(layout.clips, -1, *part.shape[1:])
            for part in self._project(text, self.proj_qkv.text, self.norm_q.text, self.norm_k.text)
        )
        if (angles := table.text(tq.shape[1], text.device)) is not None:
            tq, tk = rotate(tq, *angles), rotate(tk, *angles)
        out = torch.empty_like(vq)
        text_sum = torch.zeros_like(tq, dtype=torch.float32)
        for group in layout.groups:
            answers, text_answers = self._attend(
                (vq, vk, vv), (tq, tk, tv), group.tokens, group.size, table, text_result=text_result
            )
            out = out.index_copy(0, group.tokens.flatten(), answers)
            if text_answers is not None:
                text_sum = text_sum + text_answers
        video = self.proj_out.video(out.flatten(1))
        if not text_result:
            return video, None
        mean = (text_sum / layout.count).to(text.dtype)
        return video, cast(Tensor, self.proj_out.text(mean.flatten(0, 1).flatten(1)))

    def _project(self, x: Tensor, qkv: nn.Module, norm_q: nn.Module, norm_k: nn.Module) -> tuple[Tensor, ...]:
        q, k, v = qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return norm_q(q), norm_k(k), v

    def _attend(
        self,
        video: tuple[Tensor, ...],
        text: tuple[Tensor, ...],
        tokens: Tensor,
        size: Size,
        table: RopeTable,
        *,
        text_result: bool,
    ) -> tuple[Tensor, Tensor | None]:
        windows, length = tokens.shape
        clips = len(text[0])
        angles = table.video(size, text[0].shape[1], tokens.device)
        # (windows, length, heads, head_dim): one gather serves all windows of this size.
        q, k, v = (part[tokens] for part in video)
        q, k = rotate(q, *angles), rotate(k, *angles)
        tq, tk, tv = (part[:, None].expand(-1, windows // clips, -1, -1, -1).flatten(0, 1) for part in text)
        if text_result:
            q = torch.cat((q, tq), dim=1)
        k, v = torch.cat((k, tk), dim=1), torch.cat((v, tv), dim=1)
        answer = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        answer = answer.transpose(1, 2)
        text_answers = answer[:, length:].float().view(clips, -1, *tq.shape[1:]).sum(1) if text_result else None
        return answer[:, :length].flatten(0, 1), text_answers
