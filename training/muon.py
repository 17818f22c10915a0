"""Muon: momentum whose matrices are made orthogonal before each step (Jordan et al., 2024).

`torch.optim.Muon` does the same, but always multiplies in bfloat16, which a processor without instructions for it
emulates: there it took more than half of a step. It also takes matrix by matrix what here goes in batches of one shape.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
# Of a quintic whose iteration takes every singular value from (0, 1] to about 1, fast rather than exactly.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """For matrices; learning rates are those of AdamW, whose steps these have the size of."""

    def __init__(self, matrices: Iterable[nn.Parameter], dtype: torch.dtype) -> None:
        """`dtype` is what the orthogonalisation multiplies in."""
        super().__init__(matrices, {"lr": 1e-3})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One step along the gradients; a closure is not called."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes[matrix.shape].append(matrix)
            for shape, matrices in shapes.items():
                directions = torch.stack([self._momentum(matrix) for matrix in matrices]).to(self._dtype)
                steps = orthogonal(directions).to(matrices[0].dtype)
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                torch._foreach_add_(matrices, list(steps.unbind()), alpha=-rate)

    def _momentum(self, matrix: Tensor) -> Tensor:
        """Nesterov's: the running mean of the gradients, seen from one step on."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        mean: Tensor = state["momentum_buffer"].lerp_(matrix.grad, 1 - MOMENTUM)
        return matrix.grad.lerp(mean, MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (N, A, B) with their singular values brought to between about 0.7 and 1.2."""
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = first * x + (third * gram + fifth * gram @ gram) @ x
    return x.mT if tall else x
