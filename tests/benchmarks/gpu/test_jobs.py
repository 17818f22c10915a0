"""Jobs on tensors: plans, and what happens where memory runs out."""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import estimates, jobs
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.estimates import Plan
from benchmarks.gpu.jobs import Session, random_frames
from benchmarks.gpu.meter import limited, peak_of
from seedvr2.errors import NumericError, OutOfMemoryError
from seedvr2.network.tiling import Tiling
from seedvr2.options import UpscaleOptions

CPU = torch.device("cpu")
OPTIONS = UpscaleOptions(resolution=96)
SOURCE = (72, 48)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that are smaller than the tiny frames."""
    monkeypatch.setattr(estimates, "TILES", {"low": (16, 8), "medium": (32, 8), "high": (64, 16)})


def test_a_job_gives_all_its_frames_and_they_are_finite(bench: Bench) -> None:
    outcome = Session(bench, "3B", "fp8_e4m3fn").run(random_frames(6, SOURCE), OPTIONS)
    assert (outcome.frames, outcome.undefined, outcome.retries) == (6, 0, 0)
    assert str(outcome.plan) == "whole frames, batches of 5"


def test_frames_that_are_not_finite_are_never_given_out(bench: Bench) -> None:
    session = Session(bench, "3B", "fp16")
    _, plan = session.plan(SOURCE, 1, OPTIONS)
    session.load(plan).vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(NumericError, match="does not consist of numbers"):
        session.run(random_frames(1, SOURCE), OPTIONS)


def peak(bench: Bench, tile: int | None) -> int:
    session = Session(bench, "3B", "fp8_e4m3fn")
    plan = Plan(Tiling((tile, tile), (8, 8)) if tile else None, 5, 0)
    with peak_of(CPU) as found:
        session._attempt(random_frames(5, SOURCE), OPTIONS, plan, 0)
    return found.allocated


@pytest.mark.long
def test_where_memory_runs_out_a_smaller_plan_is_tried(bench: Bench, small_tiles: None) -> None:
    whole, tiled = peak(bench, None), peak(bench, 64)
    assert tiled < whole
    with limited(CPU, (whole + tiled) // 2):
        outcome = Session(bench, "3B", "fp8_e4m3fn").run(random_frames(5, SOURCE), OPTIONS)
    assert (outcome.frames, outcome.retries) == (5, 1)
    assert str(outcome.plan) == "tiles of 64, batches of 5"


def test_where_nothing_fits_the_job_fails_as_out_of_memory(bench: Bench, small_tiles: None) -> None:
    session = Session(bench, "3B", "fp8_e4m3fn")
    session.load(Plan(None, 5, 0))
    with limited(CPU, 1 << 16), pytest.raises(OutOfMemoryError):
        session.run(random_frames(5, SOURCE), OPTIONS)


def test_another_error_is_not_taken_for_lack_of_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_names: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(jobs, "random_model", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        Session(bench, "3B", "fp16").run(random_frames(1, SOURCE), OPTIONS)


def test_the_model_stays_until_a_plan_has_it_elsewhere(bench: Bench) -> None:
    session = Session(bench, "3B", "fp16")
    first = session.load(Plan(None, 5, 0))
    assert session.load(Plan(None, 1, 0)) is first
    assert session.load(Plan(None, 5, 2)) is not first
