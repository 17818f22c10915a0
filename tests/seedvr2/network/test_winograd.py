"""Few products give what many do: the three matrices are an exact identity, in numbers that every type holds."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from seedvr2.network.winograd import BIAS_POINT, filtering

# Outputs and taps.
SIZES = [(2, 3), (4, 3), (6, 3), (3, 2)]


def _filtered(taps: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """The filter as it is defined, in float64."""
    outputs = len(inputs) - len(taps) + 1
    return torch.stack([sum(taps[tap] * inputs[at + tap] for tap in range(len(taps))) for at in range(outputs)])


@pytest.mark.parametrize(("outputs", "taps"), SIZES)
def test_the_matrices_give_the_filter_exactly(outputs: int, taps: int) -> None:
    """For every pair of a tap and an input, so for all numbers; the identity holds as fractions."""
    matrices = filtering(outputs, taps)
    # What G divides by has no binary fraction; the nearest one with a small denominator is what is meant.
    kernel = [[Fraction(each).limit_denominator(1000) for each in row] for row in matrices.kernel.tolist()]
    mix, unmix = ([[Fraction(each) for each in row] for row in m.tolist()] for m in (matrices.inputs, matrices.outputs))
    count = outputs + taps - 1
    for at in range(outputs):
        for tap in range(taps):
            for given in range(count):
                terms = (unmix[at][point] * kernel[point][tap] * mix[point][given] for point in range(count))
                assert sum(terms) == (1 if given == at + tap else 0)


@pytest.mark.parametrize(("outputs", "taps"), SIZES)
def test_factors_times_inputs_give_the_filter_of_random_numbers(outputs: int, taps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    kernel = torch.randn(taps, 7, generator=generator, dtype=torch.float64)
    inputs = torch.randn(outputs + taps - 1, 7, generator=generator, dtype=torch.float64)
    matrices = filtering(outputs, taps)
    factors = matrices.kernels(kernel)
    assert factors.dtype == torch.float32 and factors.shape == (outputs + taps - 1, 7)
    answer = matrices.outputs @ (factors.double() * (matrices.inputs @ inputs))
    torch.testing.assert_close(answer, _filtered(kernel, inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("outputs", "taps"), SIZES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_what_is_applied_to_frames_is_exact_in_every_type(outputs: int, taps: int, dtype: torch.dtype) -> None:
    matrices = filtering(outputs, taps)
    for matrix in (matrices.inputs, matrices.outputs):
        assert torch.equal(matrix.to(dtype).double(), matrix)


@pytest.mark.parametrize(("outputs", "taps"), SIZES)
def test_a_bias_that_is_added_to_one_product_is_added_to_every_output_once(outputs: int, taps: int) -> None:
    assert filtering(outputs, taps).outputs[:, BIAS_POINT].tolist() == [1.0] * outputs
