"""Few products give what many do: the three matrices are an exact identity, in numbers that every type holds."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from seedvr2.network.winograd import BIAS_POINT, TAPS, filtering

SIZES = (2, 4)


def _filtered(taps: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """The filter as it is defined, in float64."""
    outputs = len(inputs) - TAPS + 1
    return torch.stack([sum(taps[tap] * inputs[at + tap] for tap in range(TAPS)) for at in range(outputs)])


@pytest.mark.parametrize("outputs", SIZES)
def test_the_matrices_give_the_filter_exactly(outputs: int) -> None:
    """For every pair of a tap and an input, so for all numbers; the identity holds as fractions."""
    matrices = filtering(outputs)
    # What G divides by has no binary fraction; the nearest one with a small denominator is what is meant.
    kernel = [[Fraction(each).limit_denominator(1000) for each in row] for row in matrices.kernel.tolist()]
    mix, unmix = ([[Fraction(each) for each in row] for row in m.tolist()] for m in (matrices.inputs, matrices.outputs))
    count = outputs + TAPS - 1
    for at in range(outputs):
        for tap in range(TAPS):
            for given in range(count):
                terms = (unmix[at][point] * kernel[point][tap] * mix[point][given] for point in range(count))
                assert sum(terms) == (1 if given == at + tap else 0)


@pytest.mark.parametrize("outputs", SIZES)
def test_factors_times_inputs_give_the_filter_of_random_numbers(outputs: int) -> None:
    generator = torch.Generator().manual_seed(1)
    taps = torch.randn(TAPS, 7, generator=generator, dtype=torch.float64)
    inputs = torch.randn(outputs + TAPS - 1, 7, generator=generator, dtype=torch.float64)
    matrices = filtering(outputs)
    factors = matrices.kernels(taps)
    assert factors.dtype == torch.float32 and factors.shape == (outputs + TAPS - 1, 7)
    answer = matrices.outputs @ (factors.double() * (matrices.inputs @ inputs))
    torch.testing.assert_close(answer, _filtered(taps, inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("outputs", SIZES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_what_is_applied_to_frames_is_exact_in_every_type(outputs: int, dtype: torch.dtype) -> None:
    matrices = filtering(outputs)
    for matrix in (matrices.inputs, matrices.outputs):
        assert torch.equal(matrix.to(dtype).double(), matrix)


@pytest.mark.parametrize("outputs", SIZES)
def test_a_bias_that_is_added_to_one_product_is_added_to_every_output_once(outputs: int) -> None:
    assert filtering(outputs).outputs[:, BIAS_POINT].tolist() == [1.0] * outputs
