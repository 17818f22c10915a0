"""How much memory frames take beside the networks, counted storage by storage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seedvr2.model import Model
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stream import restore_stream
from tests.seedvr2.network.networks import SMALL_DIT, random_dit, random_vae
from tests.seedvr2.pipeline.live import LiveBytes

WIDTH, HEIGHT, BATCH = 96, 64, 9


def _counted(method: str, overlap: int = 0, channels: int = 3, strength: float = 1.0) -> tuple[float, float]:
    """Bytes per pixel and frame of a batch: at most when a decoder starts, and at most after the last one has ended."""
    text = torch.zeros(5, SMALL_DIT.text_channels)
    model = Model("small", random_dit(), random_vae(), text, torch.device("cpu"), torch.float32)
    beside: list[int] = []

    def on_stage(stage: str, share: float) -> None:
        if stage == "decoding" and share == 0:
            beside.append(live.now())
        if stage == "decoding" and share == 1:
            live.restart()

    frames = [np.full((HEIGHT, WIDTH, channels), 7 * index, np.uint8) for index in range(2 * BATCH - overlap)]
    restorer = BatchRestorer(model, RestoreSettings(), on_stage)
    settings = StreamSettings(
        plan_sizes(WIDTH, HEIGHT, HEIGHT),
        batch_size=BATCH,
        overlap=overlap,
        color_correction=method,
        strength=strength,
    )
    # What is made of the weights at their first use is no matter of the frames.
    with torch.no_grad():
        model.vae.requires_grad_(False).decode(model.vae.encode(torch.zeros(3, BATCH, 16, 16)))
    live = LiveBytes()
    with live:
        for _ in restore_stream(frames, lambda frame: frame, restorer, settings):
            pass
    pixels = WIDTH * HEIGHT * BATCH
    return max(beside) / pixels, live.peak / pixels


@pytest.mark.parametrize("method", ["lab", "wavelet", "adain", "hsv", "wavelet_adaptive", "none"])
def test_hardly_anything_is_alive_beside_the_decoder(method: str) -> None:
    # The latents, and the frame that was given out last: one of nine, of three channels of four bytes.
    assert _counted(method)[0] < 4


def test_frames_that_are_held_back_for_an_overlap_are_alive_once() -> None:
    # All that is held back of the batch before is what was decoded, 12 bytes, and the overlap beside it.
    assert _counted("lab", overlap=2)[0] < 16
    assert _counted("lab", overlap=2, channels=4)[0] < 21


@pytest.mark.parametrize(("method", "most"), [("lab", 38), ("hsv", 38), ("wavelet_adaptive", 38), ("wavelet", 22)])
def test_colours_are_corrected_in_little_more_than_what_was_decoded(
    method: str, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As large frames are, of which there are more than bins. What was decoded and what comes of it, 12 bytes each.
    monkeypatch.setattr("seedvr2.colour.matching.FEW", 0)
    monkeypatch.setattr("seedvr2.colour.histogram.BINS", 256)
    assert _counted(method)[1] < most


def test_storages_are_counted_once_and_as_long_as_they_live() -> None:
    with LiveBytes() as live:
        first = torch.zeros(100)
        second = first[10:].view(9, 10).add_(1)
        assert live.now() == 400
        third = first + 1
        del first
        assert live.now() == 800
        del second, third
        assert live.now() == 0
    assert live.peak == 800


@pytest.mark.parametrize(
    ("method", "channels"),
    [
        ("lab", 3),
        ("wavelet", 4),
        *(
            pytest.param(*each, marks=pytest.mark.long)
            for each in (("lab", 4), ("wavelet", 3), ("none", 3), ("none", 4))
        ),
    ],
)
def test_a_result_that_is_held_back_takes_no_more_than_two_frames(method: str, channels: int) -> None:
    """The source's frame as numbers, and that at the size of the result: of three or four channels of four bytes."""
    whole = _counted(method, channels=channels)
    held = _counted(method, channels=channels, strength=0.5)
    assert held[0] <= whole[0] + 1e-6
    assert held[1] <= whole[1] + 2 * channels * 4 / BATCH
