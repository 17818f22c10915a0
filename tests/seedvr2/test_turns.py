"""The VAE makes room for the transformer, and comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seedvr2 import turns
from seedvr2.model import Model, load_model
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.selection import NANO
from seedvr2.turns import InTurnRestorer


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(NANO, models_dir=Path("nowhere"), device=torch.device("cpu"), dtype=torch.float32)


def test_the_result_is_the_same_batch_after_batch(model: Model) -> None:
    frames = torch.rand(3, 5, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    usual = BatchRestorer(model, RestoreSettings())
    in_turn = InTurnRestorer(model, RestoreSettings())
    for index in range(2):
        torch.testing.assert_close(in_turn.restore(frames, index), usual.restore(frames, index), atol=1e-5, rtol=0)


def test_the_vae_is_away_while_the_transformer_works_and_back_after_an_error(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[str] = []
    put = turns.put

    def watched(network: torch.nn.Module, weights: dict[str, torch.Tensor], device: torch.device) -> None:
        moves.append("back" if moves and moves[-1] == "away" else "away")
        put(network, weights, device)

    monkeypatch.setattr(turns, "put", watched)
    restorer = InTurnRestorer(model, RestoreSettings())

    def fail(stage: str, _share: float) -> None:
        if stage == "restoring":
            assert moves == ["away"]
            raise RuntimeError("stopped")

    restorer.on_stage = fail
    with pytest.raises(RuntimeError, match="stopped"):
        restorer.denoise(torch.zeros(1, 4, 4, model.vae.config.latent_channels), 0)
    assert moves == ["away", "back"]
