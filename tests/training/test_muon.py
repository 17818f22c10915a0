from __future__ import annotations

import pytest
import torch
from torch import nn

from training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 5, 40), (2, 40, 5)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    steps = orthogonal(matrices)
    values = torch.linalg.svdvals(steps)
    assert values.min() > 0.3 and values.max() < 1.3
    # The singular vectors stay: so the product with the original is symmetric.
    product = steps @ matrices.mT
    torch.testing.assert_close(product, product.mT, atol=1e-3, rtol=1e-3)


def test_it_steps_as_the_one_of_pytorch_does() -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in ((6, 30), (6, 30), (20, 4))]
    own, other = ([nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    optimisers = (
        Muon(own, torch.float32),
        torch.optim.Muon(other, lr=1e-3, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(5):
        for mine, theirs in zip(own, other, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            theirs.grad = mine.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for mine, theirs, before in zip(own, other, start, strict=True):
        moved = (theirs - before).norm()
        assert moved > 1e-3
        assert (mine - theirs).norm() < 0.03 * moved  # PyTorch's multiplies in bfloat16
