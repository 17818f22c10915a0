"""Attention of windows that lie one after another, by the fastest way that the device has.

A GPU takes windows of different lengths in one call where it can. A processor takes those of one length together; in
half precision it is twice as fast when products, softmax and products are three steps over one window at a time. So it
is three times as fast on a GPU for heads that are wider than its fused kernels are made for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.network.memo import Memo
from seedvr2.network.pieces import rows_at_a_time
from seedvr2.trouble import is_out_of_memory

log = logging.getLogger(__name__)

# Windows of one length side by side: queries of each, keys of each, how many there are.
Run = tuple[int, int, int]

# FlashAttention takes no wider heads; what torch falls back to reaches a tenth of an H100's speed at 512.
_WIDEST_FUSED = 256
# Scores of so many queries together fill a GPU.
_QUERIES_OF_A_DEVICE = 4096
_STARTS = Memo(32)
# Devices and types for which attention over several lengths at once was refused.
_refused: set[tuple[torch.device, torch.dtype]] = set()


def attend(queries: Tensor, keys_values: Tensor, runs: Sequence[Run]) -> list[Tensor]:
    """softmax(q · kᵀ) · v within each window. The queries carry the scale already; they may be overwritten.

    Args:
        queries: (rows, heads, head_dim), keys_values: (rows, 2, heads, head_dim), window after window.
        runs: how long these windows are.

    Returns:
        The answer to the queries of each run (windows, queries of each, heads, head_dim).
    """
    if len(runs) > 1 and _takes_any_lengths(queries):
        try:
            return _split(_attend_ragged(queries, keys_values, tuple(runs)), runs)
        except (RuntimeError, ImportError) as error:
            if is_out_of_memory(error):
                raise
            _refused.add((queries.device, queries.dtype))
            log.info("attention goes window size by window size here: %s", str(error).partition("\n")[0])
    answers, start = [], 0
    for q, (_, length, windows) in zip(_split(queries, runs), runs, strict=True):
        both = keys_values[start : start + windows * length].view(windows, length, *keys_values.shape[1:])
        start += windows * length
        k, v = both.unbind(2)
        steps = (_half_on_processor(q) or _too_wide_to_fuse(q)) and not torch.is_grad_enabled()
        answers.append(_in_steps(q, k, v) if steps else _at_once(q, k, v))
    return answers


def _split(queries: Tensor, runs: Sequence[Run]) -> list[Tensor]:
    parts = torch.split(queries, [length * windows for length, _, windows in runs])
    return [part.view(run[2], run[0], *part.shape[1:]) for part, run in zip(parts, runs, strict=True)]


def _at_once(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    answer = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), scale=1.0)
    return answer.transpose(1, 2)


def _half_on_processor(q: Tensor) -> bool:
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and type(q) is Tensor


def _too_wide_to_fuse(q: Tensor) -> bool:
    return q.is_cuda and q.dtype.itemsize == 2 and q.shape[-1] > _WIDEST_FUSED


def _in_steps(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """In place of the queries, some heads of a window at a time, whose scores stay in the cache."""
    length, heads = keys.shape[1:3]
    # The scores, and their softmax, before and after it is rounded.
    rows = rows_at_a_time(2 * length * torch.float32.itemsize, queries.device)
    if queries.device.type != "cpu":
        rows = max(rows, _QUERIES_OF_A_DEVICE)
    for q, k, v in zip(queries, keys, values, strict=True):
        together = max(rows // len(q), 1)
        for first in range(0, heads, together):
            some = slice(first, first + together)
            kt, vh = k[:, some].permute(1, 2, 0), v[:, some].transpose(0, 1)
            for part in q[:, some].transpose(0, 1).split(max(rows, 1), dim=1):
                part.copy_(torch.bmm(_weights(part, kt), vh))
    return queries


def _weights(q: Tensor, kt: Tensor) -> Tensor:
    # A score is rounded to eight bits. After its row's maximum is taken off, inside the product and exactly, the
    # scores that count are small and so is their error; that of a large score would be as large as it is.
    maximum = torch.bmm(q, kt).amax(-1, keepdim=True)
    return torch.softmax(torch.baddbmm(maximum, q, kt, beta=-1), -1)


def _takes_any_lengths(queries: Tensor) -> bool:
    half = queries.dtype in (torch.float16, torch.bfloat16)
    # The kernel is FlashAttention, which wants heads of a multiple of eight.
    wanted = queries.is_cuda and half and queries.shape[-1] % 8 == 0 and not torch.is_grad_enabled()
    return wanted and (queries.device, queries.dtype) not in _refused


def _attend_ragged(queries: Tensor, keys_values: Tensor, runs: tuple[Run, ...]) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # not in every version of torch

    q_starts, k_starts = _STARTS.get((runs, queries.device), lambda: _starts(runs, queries.device))
    k, v = keys_values.unbind(1)
    longest = max(run[0] for run in runs), max(run[1] for run in runs)
    return cast(Tensor, varlen_attn(queries, k, v, q_starts, k_starts, *longest, scale=1.0))


def _starts(runs: tuple[Run, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the queries and the keys of each window start, and where the last ones end: int32 (windows + 1,)."""
    counts = torch.tensor([run[2] for run in runs])
    both = (torch.tensor([run[part] for run in runs]).repeat_interleave(counts).cumsum(0) for part in (0, 1))
    queries, keys = (F.pad(ends, (1, 0)).to(device, torch.int32) for ends in both)
    return queries, keys
