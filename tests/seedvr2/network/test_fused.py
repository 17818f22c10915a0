"""The passes between the products, against their formulas in float64; in place or with gradients."""

from __future__ import annotations

import pytest
import torch

from seedvr2.network import fused
from seedvr2.network.fused import add_gated, modulated_norm, rotate, swiglu, turn_heads

ROWS, DIM = 700, 48


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _normed(x: torch.Tensor) -> torch.Tensor:
    return x.double() / (x.double().square().mean(-1, keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_each_is_its_formula(dtype: torch.dtype, bound: float, learning: bool) -> None:
    x, other = _random(ROWS, DIM).to(dtype), _random(ROWS, DIM, seed=1).to(dtype)
    shift, scale = _random(DIM, seed=2), _random(DIM, seed=3)
    gate = _random(DIM, seed=4).to(dtype)
    exact, second = x.double(), other.double()
    with torch.set_grad_enabled(learning):
        found = (
            modulated_norm(x),
            modulated_norm(x, shift, scale),
            add_gated(x.clone(), other, gate),
            swiglu(x.clone(), other),
        )
    wanted = (_normed(x), _normed(x) * scale + shift, exact + second * gate.double(), exact * exact.sigmoid() * second)
    for got, want in zip(found, wanted, strict=True):
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), want, rtol=bound, atol=bound)
    assert torch.equal(x.double(), exact)


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("turning", [False, True])
def test_heads_are_normalised_weighted_and_turned_into_their_place(turning: bool, learning: bool) -> None:
    x, weight = _random(2, 9, 3, 8), _random(8, seed=1)
    angles = _random(9, 4, seed=2).double()
    place = torch.zeros(2, 12, 3, 2, 8)
    with torch.set_grad_enabled(learning):
        turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64) if turning else None
        turn_heads(x.clone(), weight, turns, place[:, :9, :, 1])
    want = _normed(x) * weight.double()
    if turning:
        even, odd = want[..., 0::2].clone(), want[..., 1::2].clone()
        cosine, sine = angles.cos()[:, None], angles.sin()[:, None]
        want[..., 0::2], want[..., 1::2] = even * cosine - odd * sine, even * sine + odd * cosine
    torch.testing.assert_close(place[:, :9, :, 1].double(), want, rtol=1e-5, atol=1e-5)
    assert not place[:, 9:].any() and not place[..., 0, :].any()


def test_rotating_keeps_lengths_and_the_type() -> None:
    x = _random(5, 2, 8).bfloat16()
    turns = torch.polar(torch.ones(5, 4), _random(5, 4))
    turned = rotate(x, turns)
    assert turned.dtype == torch.bfloat16
    torch.testing.assert_close(turned.float().norm(dim=-1), x.float().norm(dim=-1), rtol=1e-2, atol=0)


@torch.no_grad()
def test_a_cards_way_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    x, shift, scale = (torch.randn(shape, generator=generator) for shape in ((6, 32), (32,), (32,)))
    # Queries of two windows of three tokens, as a projection gives them.
    heads, weight = torch.randn(2, 3, 3, 4, 8, generator=generator)[:, :, 0], torch.randn(8, generator=generator)
    turns = torch.polar(torch.ones(3, 4), torch.randn(3, 4, generator=generator))

    def all_of_them() -> list[torch.Tensor]:
        placed = torch.empty(2, 5, 4, 8)[:, :3]
        fused.turn_heads(heads.clone(), weight, turns, placed)
        return [fused.modulated_norm(x), fused.modulated_norm(x, shift, scale), placed]

    wanted = all_of_them()
    monkeypatch.setattr(fused, "_on_card", lambda _x: True)
    for got, value in zip(all_of_them(), wanted, strict=True):
        torch.testing.assert_close(got, value, atol=1e-6, rtol=1e-5)
