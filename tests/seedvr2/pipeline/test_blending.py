from __future__ import annotations

import json

import pytest
import torch

from seedvr2.pipeline.blending import crossfade_weights, reference_weights
from tests.parity.__main__ import BUNDLED

COUNTS = range(1, 40)


def test_the_references_weights() -> None:
    wanted = json.loads((BUNDLED / "blend_weights.json").read_text())["w_prev"]
    assert len(wanted) >= 16
    for count, weights in wanted.items():
        torch.testing.assert_close(reference_weights(int(count)), torch.tensor(weights), atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", COUNTS)
def test_every_shared_frame_is_a_mixture(count: int) -> None:
    weights = crossfade_weights(count)
    assert weights.shape == (count,)
    assert weights.min() > 0.001
    assert weights.max() < 0.999


@pytest.mark.parametrize("count", COUNTS)
def test_the_crossfade_falls_and_treats_both_batches_alike(count: int) -> None:
    weights = crossfade_weights(count)
    assert (weights.diff() < 0).all()
    torch.testing.assert_close(weights + weights.flip(0), torch.ones(count))


def test_no_overlap_has_no_weights() -> None:
    assert len(crossfade_weights(0)) == len(reference_weights(0)) == 0
