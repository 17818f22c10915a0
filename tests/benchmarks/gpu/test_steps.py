"""The steps at tiny sizes: all is well on a processor, and each fails where what it checks is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.gpu import (
    cards,
    fixtures,
    hardware,
    jobs,
    kernels,
    peaks,
    real_width,
    recovery,
    repeats,
    service,
    stages,
    whole,
)
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Row, guarded
from seedvr2.catalogue import DEFAULT_MODEL
from seedvr2.catalogue.folder import installed_models
from seedvr2.checkpoint import open_checkpoint
from seedvr2.nano import NAME


def failed(rows: Iterable[Row]) -> list[str]:
    rows = list(rows)
    assert rows
    return [row.name for row in rows if row.ok is False]


LONG = [pytest.param(part.rows, marks=pytest.mark.long) for part in (repeats, stages, whole, service)]


@pytest.mark.parametrize("rows", [hardware.rows, cards.rows, kernels.rows, *LONG])
def test_all_is_well_on_a_processor(bench: Bench, rows: Callable[[Bench], Iterable[Row]]) -> None:
    assert failed(rows(bench)) == []


def test_wrong_numbers_of_a_network_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    right = fixtures.transformer
    monkeypatch.setattr(fixtures, "transformer", lambda *given: ((got + 2e-4, wanted) for got, wanted in right(*given)))
    case = fixtures._networks(bench, "title", "dit_3b/c1*.json", fixtures.transformer, torch.float32)
    assert failed(case) == ["title"]
    case = fixtures._networks(bench, "title", "dit_3b/c1*.json", right, torch.float32)
    assert failed(case) == []


def test_integers_that_change_on_the_way_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failed(fixtures.integers(bench, fixtures.np.uint16)) == []
    to_float = fixtures.to_float
    monkeypatch.setattr(fixtures, "to_float", lambda image, device: to_float(image, device).half().float())
    assert failed(fixtures.integers(bench, fixtures.np.uint16)) == ["uint16 in and out: values that change"]


def test_packed_weights_that_differ_by_a_bit_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[Tensor] = []
    dequantize = fixtures.dequantize

    def differing(blocks: Tensor, kind: str) -> Tensor:
        results.append(dequantize(blocks, kind))
        return results[-1] if len(results) == 1 else results[-1].nextafter(torch.tensor(1e9))

    assert failed(fixtures.packed(bench, "Q4_K")) == []
    monkeypatch.setattr(fixtures, "dequantize", differing)
    assert failed(fixtures.packed(bench, "Q4_K")) == ["Q4_K decoded: values that differ"]


def test_a_layer_that_computes_something_else_on_the_device_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = real_width.random_dit
    made = []

    def other(*given: Any, **options: Any) -> torch.nn.Module:
        made.append(right(*given, **options))
        if len(made) == 2:
            made[-1].vid_out.proj.bias += 0.01
        return made[-1]

    monkeypatch.setattr(real_width, "random_dit", other)
    assert len(failed(real_width.blocks(bench, "3B"))) >= 2


def test_a_kernel_that_computes_something_else_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    norm_silu, dequantize = kernels.kernels.norm_silu, kernels.dequantize
    seen: list[Tensor] = []

    def differing(*given: object) -> Tensor:
        seen.append(dequantize(*given))  # type: ignore[arg-type]
        return seen[-1] * 2 if len(seen) == 1 else seen[-1]

    def last_frame_lost(x: Tensor, *given: object, **how: object) -> Tensor:
        result = norm_silu(x, *given, **how)  # type: ignore[arg-type]
        return result if len(x) == 1 else result.index_fill(0, torch.tensor(len(x) - 1), 0)

    monkeypatch.setattr(kernels.kernels, "norm_silu", last_frame_lost)
    assert failed(kernels.compare(bench, "norm", kernels.norm(bench, "norm", True))) == ["norm: error"]
    monkeypatch.setattr(kernels, "dequantize", differing)
    case = kernels.unpack(bench, "Q6_K", "Q6_K")
    assert failed(kernels.compare(bench, "Q6_K", case)) == ["Q6_K: values that differ"]


@pytest.mark.parametrize("names", [set(), {"norm_silu"}])
def test_a_kernel_that_had_to_be_switched_off_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, names: set[str]
) -> None:
    monkeypatch.setattr(kernels, "failed", lambda: names)
    assert failed(kernels.rows(bench)) == ["kernels: that failed"] * len(names)


@pytest.mark.long
@pytest.mark.parametrize("factor", [0.001, 1000])
def test_an_estimate_that_is_far_off_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    right = peaks.transformer_bytes
    assert failed(peaks.transformer_rows(bench, "fp16")) == []
    monkeypatch.setattr(peaks, "transformer_bytes", lambda *given: int(right(*given) * factor))
    names = failed(peaks.transformer_rows(bench, "fp16"))
    assert names == [f"3B fp16 × {frames}: restore, estimate over peak" for frames in bench.scale.token_frames]


def test_what_the_card_cannot_hold_is_left_out_and_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "room", lambda self: 1000)
    for rows in (peaks.transformer_rows(bench, "fp16"), whole.of_model(bench, "3B", "fp16")):
        (row,) = rows
        assert row.ok is None and "cannot hold" in row.note
    for rows in (peaks.vae_rows(bench), cards.rows(bench)):
        assert {row.ok for row in rows} == {None}


@pytest.mark.long
def test_two_retries_on_an_emulated_card_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, calls = jobs.Session._attempt, []

    def failing(self: jobs.Session, *given: object) -> jobs.Outcome:
        calls.append(1)
        if len(calls) <= 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return attempt(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs.Session, "_attempt", failing)
    monkeypatch.setattr(jobs, "smaller_plan", lambda plan, _wanted: plan)
    assert failed(cards.rows(bench)) == ["0.5 GB, 3B fp8_e4m3fn: retries"]


def test_a_card_that_is_too_small_fails(bench: Bench) -> None:
    rows = guarded("card", cards.on_card(bench, "card", bench.scale.cards[0], 1 << 20))
    assert [(row.value, row.ok) for row in rows] == [("OutOfMemoryError", False)]


@pytest.mark.long
def test_a_second_job_that_gets_another_model_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    choose, calls = repeats.select_model, []

    def alternating(*given: object) -> object:
        calls.append(1)
        return choose(*given) if len(calls) == 1 else choose(NAME, *given[1:])  # type: ignore[arg-type]

    monkeypatch.setattr(repeats, "select_model", alternating)
    assert failed(repeats.rows(bench)) == ["second job: model"]


@pytest.mark.long
def test_memory_that_stays_after_unloading_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    load = jobs.Session.load

    def leaking(self: jobs.Session, plan: object) -> object:
        kept.append(load(self, plan))  # type: ignore[arg-type]
        return kept[-1]

    monkeypatch.setattr(jobs.Session, "load", leaking)
    assert failed(repeats.rows(bench)) == ["memory of the model: after it was dropped"]


def test_hollow_models_are_what_the_engine_takes_for_installed_ones(bench: Bench, tmp_path: Path) -> None:
    repeats.hollow_models(bench, tmp_path)
    (model,) = installed_models(tmp_path)
    assert (model.name, model.precision) == (DEFAULT_MODEL, "FP8")
    assert open_checkpoint(model.path).tensor("vid_in.proj.weight").count_nonzero() == 0


def test_stages_are_profiled_by_kernel(bench: Bench) -> None:
    x = torch.ones(64, 64)
    kernels = stages.profiled(bench, lambda: [x @ x, (x @ x).t().contiguous()])
    assert kernels["aten::mm"][0] == 2
    assert any(stages.CONVERSIONS.search(name) for name in kernels)
    assert not any(stages.CONVERSIONS.search(name) for name in stages.profiled(bench, lambda: x + x))


@pytest.mark.long
def test_lack_of_memory_that_is_not_recognised_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failed(recovery.out_of_memory(bench)) == []
    monkeypatch.setattr(recovery, "is_out_of_memory", lambda _error: False)
    assert failed(recovery.out_of_memory(bench)) == ["memory runs out: recognised"]


def test_a_child_that_outlives_its_fault_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_child", lambda _bench, program: (0, "499500\n", 0.1))
    assert failed(recovery.device_fault(bench)) == ["the device fails in a child: it ends with an error"]


@pytest.mark.long
def test_what_would_take_too_long_is_left_out_and_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deadline = 0
    rows = list(whole.rows(bench))
    assert rows and all(row.ok is None and "time" in row.note for row in rows)
