"""A job of several batches leaves expanded weights for its later ones, and none for the next job."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seedvr2 import UpscaleOptions, Upscaler
from seedvr2.network import dit_layers
from seedvr2.planning import machine
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", list(pixels(scene(1, 6, step=1))))


def _expanded_in_a_job(clip: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, name: str) -> int:
    """How often a matrix of a block is expanded while the clip of 6 frames is upscaled."""
    counted: list[torch.Size] = []
    expand = dit_layers.expand

    def counting(stored: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if len(stored.shape) == 2:
            counted.append(stored.shape)
        return expand(stored, like)

    upscaler = Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")
    monkeypatch.setattr(dit_layers, "expand", counting)
    upscaler.upscale(clip, clip.with_name(name), UpscaleOptions(resolution=32, batch_size=batch_size))
    monkeypatch.setattr(dit_layers, "expand", expand)
    assert upscaler._workshop.model is not None
    loaded = upscaler._workshop.model.dit
    assert not any(layer.shelf for layer in loaded.modules() if isinstance(layer, dit_layers.Linear))
    return len(counted)


def test_weights_are_expanded_once_where_memory_is_plenty(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda _device: 1 << 36)
    once = _expanded_in_a_job(clip, monkeypatch, 9, "one batch.mp4")
    kept = _expanded_in_a_job(clip, monkeypatch, 1, "six batches.mp4")
    # Beside the blocks only the way in, the way out and the text are expanded in every batch.
    assert kept < 2 * once
    # What is free is just what the job itself needs.
    monkeypatch.setattr(machine, "_SPARE_SHARE", 0.0)
    assert _expanded_in_a_job(clip, monkeypatch, 1, "little memory.mp4") > 4 * once
