"""Rows are summed with fixed numbers: one way or the other, the same to the last bit but for rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seedvr2.network import row_sums as module
from seedvr2.network.row_sums import row_sums

# Numbers at the ends, in the middle, every second one, one alone.
MATRIX = torch.tensor(
    [[1, 0, -5.25, 0], [0, 2, 0.5, 0], [0, -1, 0, 4], [0, 0, 3, 0], [1, 2, 3, 4]], dtype=torch.float64
)


def _rows(height: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(height, 5, 32, generator=torch.Generator().manual_seed(1)).to(dtype)


def _wanted(rows: Tensor, matrix: Tensor, step: int) -> Tensor:
    """As it is defined, in float64."""
    count = (len(rows) - matrix.shape[1]) // step + 1
    reach = matrix.shape[1]
    parts = [torch.tensordot(matrix, rows[t * step : t * step + reach].double(), 1) for t in range(count)]
    return torch.stack(parts, 1)


@pytest.mark.parametrize("by_channels", [True, False])
@pytest.mark.parametrize("matrix", [MATRIX, torch.cat((MATRIX, MATRIX.flip(1)), 1)])
@pytest.mark.parametrize("step", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_what_they_are_defined_as(
    dtype: torch.dtype, step: int, matrix: Tensor, by_channels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_by_channels", lambda: by_channels)
    for height in (matrix.shape[1], matrix.shape[1] + 1, 17):
        rows = _rows(height, dtype)
        wanted = _wanted(rows, matrix, step)
        got = torch.stack(list(row_sums(rows, matrix, step)))
        assert got.dtype == dtype and got.shape == wanted.shape
        # One rounding of the sum.
        torch.testing.assert_close(got.double(), wanted, rtol=torch.finfo(dtype).eps, atol=1e-5)
        # Into memory in another order, in which a result may lie; nothing beside it is touched.
        out = torch.full((wanted.shape[1], len(matrix) + 1, *rows.shape[1:]), 7, dtype=dtype)
        row_sums(rows, matrix, step, out[:, :-1].transpose(0, 1))
        assert torch.equal(out[:, :-1].transpose(0, 1), got) and (out[:, -1] == 7).all()


@pytest.mark.parametrize("by_channels", [True, False])
def test_rows_of_a_larger_frame_are_summed_alike(by_channels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_by_channels", lambda: by_channels)
    whole = _rows(12, torch.bfloat16)
    got = torch.stack(list(row_sums(whole[::2], MATRIX, 1)))
    assert torch.equal(got, torch.stack(list(row_sums(whole[::2].contiguous(), MATRIX, 1))))
