"""Plans are run on cards that do not exist: real networks and the real pipeline, without data."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.planning.card import SimulatedLayer
from seedvr2.planning.planner import choose
from seedvr2.planning.published import DIT_3B
from seedvr2.planning.simulate import MODELS, SOURCE, activations, cell, request_of, run, run_on

_JOBS = [(name, card, picture, 480) for name in MODELS for card, picture in ((8, False), (24, True))]
# Small enough to be quick; those of real size take a minute each.
_QUICK = ("3B Q4", 8, False, 256)


@pytest.mark.parametrize(
    ("name", "card", "picture", "resolution"), [_QUICK, *(pytest.param(*job, marks=pytest.mark.long) for job in _JOBS)]
)
def test_every_model_ends_with_at_most_one_retry(name: str, card: int, picture: bool, resolution: int) -> None:
    outcome = run_on(SimulatedLayer(card), request_of(name, resolution, picture=picture))
    assert outcome.ended and outcome.plan is not None and outcome.retries <= 1
    assert outcome.peak <= SimulatedLayer(card).limit
    assert 1.0 <= outcome.plan.need / outcome.peak <= 1.25


@pytest.mark.long
def test_a_job_that_runs_out_is_run_again_with_less() -> None:
    layer = SimulatedLayer(24)
    request = request_of("3B fp8", 720, picture=True)
    # The driver claims more than there is.
    peak = run(choose(layer.card(), request), request, layer.limit)
    claims = replace(layer.card(), total=16 << 30)

    class Liar(SimulatedLayer):
        def card(self, weights: int = 0) -> object:  # type: ignore[override]
            return claims

        @property
        def limit(self) -> int:
            return peak - 1

    outcome = run_on(Liar(24), request)
    assert outcome.ended and outcome.retries == 1 and outcome.peak < peak
    assert "1 retry" in cell(outcome)


def test_a_job_that_cannot_fit_is_refused_before_anything_runs() -> None:
    outcome = run_on(SimulatedLayer(12), request_of("7B fp16", 16384, picture=True, source=(4000, 4000)))
    assert outcome.plan is None and "use resolution" in outcome.refused and cell(outcome) == "refused"


@pytest.mark.long
def test_memory_ends_in_the_middle_of_the_pipeline() -> None:
    sizes = plan_sizes(*SOURCE, 360)
    whole = activations(DIT_3B, SOURCE, sizes, 5, None, False)
    assert activations(DIT_3B, SOURCE, sizes, 5, None, False, limit=whole) == pytest.approx(whole, rel=1e-4)
    with pytest.raises(torch.OutOfMemoryError):
        activations(DIT_3B, SOURCE, sizes, 5, None, False, limit=whole - (1 << 20))
    assert activations(DIT_3B, SOURCE, sizes, 5, None, False, True) > whole
    assert activations(DIT_3B, SOURCE, sizes, 5, 256, False) < whole / 2
