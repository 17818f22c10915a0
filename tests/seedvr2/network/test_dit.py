"""What the transformer keeps between forwards, and that its ways give the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seedvr2.network.dit import DiT
from tests.seedvr2.network.networks import SMALL_DIT, random_dit

SEVENTH = replace(
    SMALL_DIT, gated_mlp=False, output_norm=False, last_text=True, shared=(False,) * 3, rope="pixel", rope_frequencies=2
)
# Windows of several sizes.
SMALL, LARGE = (1, 12, 16), (3, 44, 70)


def _run(dit: DiT, grid: tuple[int, int, int] = LARGE, dtype: torch.dtype = torch.float32, **options) -> torch.Tensor:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(*grid, dit.config.input_channels, generator=generator).to(dtype)
    text = torch.randn(7, dit.config.text_channels, generator=generator).to(dtype)
    result: torch.Tensor = dit(latent, text, **options)
    return result


@pytest.mark.parametrize("config", [SMALL_DIT, SEVENTH], ids=["3B", "7B"])
def test_in_pieces_and_in_place_is_what_is_learned_with(config, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    dit = random_dit(config)
    whole = _run(dit).detach()
    with torch.no_grad():
        torch.testing.assert_close(_run(dit), whole, atol=2e-5, rtol=0)
        # A few rows at a time: windows are cut, and the last pieces are smaller.
        monkeypatch.setattr("seedvr2.network.attention.rows_at_a_time", lambda _bytes, _device: 50)
        monkeypatch.setattr("seedvr2.network.block.rows_at_a_time", lambda _bytes, _device: 50)
        torch.testing.assert_close(_run(dit), whole, atol=2e-5, rtol=0)


@torch.no_grad()
def test_other_clips_and_types_in_between_change_nothing() -> None:
    dit = random_dit()
    first = _run(dit, SMALL)
    _run(dit, LARGE)
    half = _run(dit, SMALL, torch.bfloat16)
    assert half.dtype == torch.bfloat16 and (half.float() - first).norm() / first.norm() < 0.05
    assert torch.equal(_run(dit, SMALL), first)
    _run(dit, SMALL, timestep=500.0)
    assert torch.equal(_run(dit, SMALL), first)


@pytest.mark.parametrize(
    "name", ["emb_in.proj_hid.weight", "emb_in.proj_in.bias", "blocks.1.ada.all.mlp_gate", "vid_out_ada.out_shift"]
)
@torch.no_grad()
def test_what_is_kept_follows_the_weights(name: str) -> None:
    dit = random_dit()
    before = _run(dit, SMALL)
    dit.get_parameter(name).mul_(1.5)
    after = _run(dit, SMALL)
    assert not torch.allclose(after, before)
    fresh = random_dit()
    fresh.get_parameter(name).mul_(1.5)
    assert torch.equal(after, _run(fresh, SMALL))


@torch.no_grad()
def test_the_timestep_is_embedded_once() -> None:
    dit = random_dit()
    calls = []
    dit.emb_in.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(3):
        _run(dit, SMALL)
    assert len(calls) == 1


@torch.no_grad()
def test_expanded_weights_are_kept_within_their_room_and_then_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    dit = random_dit()
    for weight in dit.parameters():
        if weight.ndim > 1:
            weight.data = weight.data.half()
    plain = _run(dit, SMALL, torch.bfloat16)
    casts: list[int] = []
    monkeypatch.setattr(
        "seedvr2.network.dit_layers.expand",
        lambda stored, like: casts.append(stored.numel()) or stored.to(like.dtype),  # type: ignore[func-returns-value]
    )

    def cast_in_a_forward() -> int:
        casts.clear()
        torch.testing.assert_close(_run(dit, SMALL, torch.bfloat16), plain, atol=0.1, rtol=0)
        return sum(casts)

    always = cast_in_a_forward()
    with dit.keeping_expanded(1 << 30):
        assert cast_in_a_forward() == always
        assert cast_in_a_forward() < always / 4
    assert cast_in_a_forward() == always
    with dit.keeping_expanded(20_000):
        cast_in_a_forward()
        assert always / 4 < cast_in_a_forward() < always


@torch.no_grad()
def test_a_probe_sees_tokens_in_raster_order_and_may_keep_them() -> None:
    dit = random_dit()
    seen: dict[str, torch.Tensor] = {}
    _run(dit, LARGE, probe=seen.__setitem__)
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(*LARGE, dit.config.input_channels, generator=generator)
    patches, _ = dit._patch(latent)
    torch.testing.assert_close(seen["patch_in.vid"], dit.vid_in.proj(patches), atol=1e-5, rtol=0)
    assert not torch.allclose(seen["block0.vid"], seen["block1.vid"])
