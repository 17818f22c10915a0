"""Finding the scales of K blocks: least squares over a grid, then rounds of coordinate descent.

The error that counts is the plain sum of squares: for inputs without a preferred direction it is proportional to
the error of the product with the weight. Shapes: n super-blocks, g sub-blocks each, w elements in a sub-block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

# Steps tried around the one that spans a sub-block's range exactly, in units of one level: a finer step that
# clips the extremes often fits the rest better.
_STRETCHES = tuple(step / 4 for step in range(-8, 5))
_ROUNDS = 2
_TINY = 1e-30


@dataclass(slots=True)
class Fit:
    """x ≈ scale · small_scale · q - minimum · small_minimum, with everything as it will be stored.

    Attributes:
        scale, minimum: float32 (n, 1), exactly representable in float16.
        small_scales, small_minimums: whole numbers as float32 (n, g, 1).
        quants: whole numbers as float32 (n, g, w).
    """

    scale: Tensor
    minimum: Tensor
    small_scales: Tensor
    small_minimums: Tensor
    quants: Tensor


def fit_affine(x: Tensor, levels: int, small_max: int) -> Fit:
    """Quants 0…levels with a scale and a minimum for each sub-block, both stored as 0…small_max.

    Args:
        x: float32 (n, g, w).
    """
    steps, minimums = _best_lines(x, levels)
    scale = _half(steps.amax(dim=1) / small_max)
    minimum = _half(minimums.amax(dim=1) / small_max)
    fit = Fit(scale, minimum, *(_small(steps, scale, 0, small_max), _small(minimums, minimum, 0, small_max)), x)
    fit.quants = _quants(x, fit, 0, levels)
    for _ in range(_ROUNDS):
        moves = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1))
        _improve_small(x, fit, moves, (0, small_max), (0, levels))
        _improve_scales(x, fit, (0, levels))
    return fit


def fit_symmetric(x: Tensor, levels: int, small_max: int) -> Fit:
    """Quants -levels…levels-1 with a signed scale for each sub-block, stored as -small_max…small_max-1.

    Args:
        x: float32 (n, g, w).
    """
    steps = _best_rays(x, levels)
    # The largest takes the one value that has no positive counterpart, whatever its sign.
    largest = steps.gather(1, steps.abs().argmax(dim=1, keepdim=True)).squeeze(1)
    scale = _half(largest / -small_max)
    nothing = torch.zeros_like(scale)
    small = _small(steps, scale, -small_max, small_max - 1)
    fit = Fit(scale, nothing, small, torch.zeros_like(small), x)
    fit.quants = _quants(x, fit, -levels, levels - 1)
    for _ in range(_ROUNDS):
        _improve_small(x, fit, ((1, 0), (-1, 0)), (-small_max, small_max - 1), (-levels, levels - 1))
        _improve_scales(x, fit, (-levels, levels - 1))
    return fit


def _best_lines(x: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """The step and the (non-negative) minimum of each sub-block that fit it best, (n, g, 1) each."""
    low = x.amin(-1, keepdim=True).clamp_(max=0)
    span = (x.amax(-1, keepdim=True) - low).clamp_(min=_TINY)
    width, total, square = x.shape[-1], _sum(x), _sum(x * x)

    above = x - low

    def candidate(stretch: float) -> tuple[Tensor, ...]:
        q = (above * ((levels + stretch) / span)).round_().clamp_(0, levels)
        q_sum, q_square, q_x = _sum(q), _sum(q * q), _sum(q * x)
        spread = width * q_square - q_sum * q_sum
        step = (width * q_x - q_sum * total) / spread.clamp(min=_TINY)
        offset = (total - step * q_sum) / width
        # Through zero where all quants are equal, or where the offset would come out with the wrong sign.
        through_zero = (offset > 0) | ((spread == 0) & (q_sum > 0))
        step = torch.where(through_zero, q_x / q_square.clamp(min=_TINY), step)
        offset = offset.masked_fill_(through_zero, 0)
        error = square + step * (step * q_square - 2 * q_x + 2 * offset * q_sum) + offset * (width * offset - 2 * total)
        return error, step, -offset

    _, step, minimum = _least(map(candidate, _STRETCHES))
    return step.clamp_(min=0), minimum


def _best_rays(x: Tensor, levels: int) -> Tensor:
    """The signed step of each sub-block that fits it best, (n, g, 1)."""
    extreme = x.gather(-1, x.abs().argmax(-1, keepdim=True))
    inverse = torch.where(extreme.abs() < _TINY, 0, 1 / extreme)
    square = _sum(x * x)

    def candidate(top: float) -> tuple[Tensor, ...]:
        q = (x * (top * inverse)).round_().clamp_(-levels, levels - 1)
        q_square, q_x = _sum(q * q), _sum(q * x)
        step = q_x / q_square.clamp(min=_TINY)
        return square - step * q_x, step

    tops = [-(levels + stretch) for stretch in _STRETCHES] + [levels - 1 + stretch for stretch in _STRETCHES]
    return _least(map(candidate, tops))[1]


def _improve_small(
    x: Tensor,
    fit: Fit,
    moves: Iterable[tuple[int, int]],
    small_range: tuple[int, int],
    quant_range: tuple[int, int],
) -> None:
    """Move each sub-block's stored scale and minimum to a neighbour where that lowers its error."""
    error = _errors(x, fit)
    start_scales, start_minimums = fit.small_scales, fit.small_minimums
    for scale_move, minimum_move in moves:
        scales = (start_scales + scale_move).clamp_(*small_range)
        minimums = (start_minimums + minimum_move).clamp_(*small_range) if minimum_move else start_minimums
        trial_error = _best_error(x, fit.scale, scales, fit.minimum, minimums, quant_range)
        better = trial_error < error
        fit.small_scales = torch.where(better, scales, fit.small_scales)
        fit.small_minimums = torch.where(better, minimums, fit.small_minimums)
        error = torch.where(better, trial_error, error)
    fit.quants = _quants(x, fit, *quant_range)


def _best_error(
    x: Tensor,
    scale: Tensor,
    small_scales: Tensor,
    minimum: Tensor,
    small_minimums: Tensor,
    quant_range: tuple[int, int],
) -> Tensor:
    """What `_errors` would be with the best quants for these scales; in place, as most of the time goes here."""
    step = scale.unsqueeze(-1) * small_scales
    shifted = x + minimum.unsqueeze(-1) * small_minimums
    value = (shifted * _inverse(step)).round_().clamp_(*quant_range).mul_(step)
    return _sum(value.sub_(shifted).square_())


def _improve_scales(x: Tensor, fit: Fit, quant_range: tuple[int, int]) -> None:
    """Refit each super-block's scale and minimum to what its sub-blocks now store."""
    up = (fit.small_scales * fit.quants).flatten(1)
    down = fit.small_minimums.expand_as(fit.quants).flatten(1)
    target = x.flatten(1)
    uu, dd, ud = _sum(up * up), _sum(down * down), _sum(up * down)
    ux, dx = _sum(up * target), _sum(down * target)
    determinant = uu * dd - ud * ud
    solvable = determinant > 1e-6 * uu * dd
    scale = torch.where(solvable, (ux * dd - dx * ud) / determinant, ux / uu.clamp(min=_TINY))
    minimum = torch.where(solvable, (ux * ud - dx * uu) / determinant, fit.minimum)
    trial = Fit(_half(scale), _half(minimum), fit.small_scales, fit.small_minimums, fit.quants)
    trial.quants = _quants(x, trial, *quant_range)
    better = _errors(x, trial).sum(1) < _errors(x, fit).sum(1)
    fit.scale = torch.where(better, trial.scale, fit.scale)
    fit.minimum = torch.where(better, trial.minimum, fit.minimum)
    fit.quants = torch.where(better.unsqueeze(-1), trial.quants, fit.quants)


def _quants(x: Tensor, fit: Fit, low: int, high: int) -> Tensor:
    step = fit.scale.unsqueeze(-1) * fit.small_scales
    shifted = x + fit.minimum.unsqueeze(-1) * fit.small_minimums
    return shifted.mul_(_inverse(step)).round_().clamp_(low, high)


def _inverse(step: Tensor) -> Tensor:
    return torch.where(step == 0, 0, 1 / step)


def _errors(x: Tensor, fit: Fit) -> Tensor:
    value = fit.scale.unsqueeze(-1) * fit.small_scales * fit.quants
    return _sum((value - fit.minimum.unsqueeze(-1) * fit.small_minimums - x).square_())


def _small(values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    scale = scale.unsqueeze(-1)
    return torch.where(scale == 0, 0, values / scale).round_().clamp_(low, high)


def _half(values: Tensor) -> Tensor:
    return values.clamp(-65504, 65504).half().float()


def _sum(values: Tensor) -> Tensor:
    return values.sum(-1, keepdim=True)


def _least(candidates: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Element by element the candidate whose first tensor is least."""
    candidates = iter(candidates)
    best = next(candidates)
    for trial in candidates:
        better = trial[0] < best[0]
        best = tuple(torch.where(better, new, old) for new, old in zip(trial, best, strict=True))
    return best
