"""Attention within windows of several lengths, by each of its ways."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.attention import varlen

from seedvr2.network import attending
from seedvr2.network.attending import attend

RUNS = [(7, 9, 3), (12, 14, 2), (150, 152, 1)]
HEADS, WIDTH = 5, 16


def _numbers(loudness: float, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(sum(q * n for q, _, n in RUNS), HEADS, WIDTH, generator=generator)
    others = torch.randn(sum(k * n for _, k, n in RUNS), 2, HEADS, WIDTH, generator=generator)
    return (queries * loudness).to(dtype), others.to(dtype)


def _exact(queries: torch.Tensor, others: torch.Tensor) -> list[torch.Tensor]:
    """Window by window, head by head, in float64."""
    answers, q_start, k_start = [], 0, 0
    for q_length, k_length, windows in RUNS:
        of_run = torch.empty(windows, q_length, HEADS, WIDTH, dtype=torch.float64)
        for window in range(windows):
            q = queries[q_start : q_start + q_length].double()
            k, v = others[k_start : k_start + k_length].double().unbind(1)
            weights = torch.softmax(torch.einsum("qhd,khd->hqk", q, k), -1)
            of_run[window] = torch.einsum("hqk,khd->qhd", weights, v)
            q_start, k_start = q_start + q_length, k_start + k_length
        answers.append(of_run)
    return answers


def _worst(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    return max(float((a.double() - b).norm() / b.norm()) for a, b in zip(found, wanted, strict=True))


@torch.no_grad()
def test_windows_see_themselves_alone() -> None:
    queries, others = _numbers(0.5)
    wanted = _exact(queries, others)
    assert _worst(attend(queries, others, RUNS), wanted) < 1e-6


@pytest.mark.parametrize("loudness", [0.25, 4.0])
@torch.no_grad()
def test_large_scores_do_not_lose_the_precision_of_bfloat16(monkeypatch: pytest.MonkeyPatch, loudness: float) -> None:
    queries, others = _numbers(loudness, torch.bfloat16)
    wanted = _exact(queries, others)
    # Rounding each score would alone cost 0.02 where they are as large as this.
    assert _worst(attend(queries.clone(), others, RUNS), wanted) < 0.01
    # Heads that are too wide for a card's fused kernels go the same way there, in half precision of either kind.
    monkeypatch.setattr(attending, "_too_wide_to_fuse", lambda _queries: True)
    assert _worst(attend(queries.half(), others.half(), RUNS), _exact(queries.half(), others.half())) < 0.002
    # Few rows at a time, so that windows are taken in parts.
    monkeypatch.setattr(attending, "rows_at_a_time", lambda _bytes, _device: 40)
    assert _worst(attend(queries.clone(), others, RUNS), wanted) < 0.01


def _varlen(q, k, v, q_starts, k_starts, longest_q, longest_k, *, scale):  # type: ignore[no-untyped-def]
    """What the GPU's kernel computes."""
    spans = [list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)) for starts in (q_starts, k_starts)]
    assert max(stop - start for start, stop in spans[0]) == longest_q
    assert max(stop - start for start, stop in spans[1]) == longest_k and scale == 1.0
    out = torch.empty_like(q)
    for (first, last), (start, stop) in zip(*spans, strict=True):
        weights = torch.softmax(torch.einsum("qhd,khd->hqk", q[first:last], k[start:stop]), -1)
        out[first:last] = torch.einsum("hqk,khd->qhd", weights, v[start:stop])
    return out


@torch.no_grad()
def test_all_lengths_go_in_one_call_where_the_device_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attending, "_takes_any_lengths", lambda _queries: True)
    monkeypatch.setattr(varlen, "varlen_attn", _varlen)
    monkeypatch.setattr(attending, "_at_once", lambda *_parts: pytest.fail("not in one call"))
    queries, others = _numbers(0.5)
    assert _worst(attend(queries, others, RUNS), _exact(queries, others)) < 1e-6


@torch.no_grad()
def test_a_device_that_refuses_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*_arguments: object, **_options: object) -> None:
        asked.append(1)
        raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.")

    monkeypatch.setattr(attending, "_refused", set())
    monkeypatch.setattr(attending, "_takes_any_lengths", lambda q: (q.device, q.dtype) not in attending._refused)
    monkeypatch.setattr(varlen, "varlen_attn", refuse)
    queries, others = _numbers(1 / math.sqrt(WIDTH))
    for _ in range(2):
        assert _worst(attend(queries, others, RUNS), _exact(queries, others)) < 1e-6
    assert len(asked) == 1
