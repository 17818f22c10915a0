"""The benchmark measures what it says: on cases and methods whose scores are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.quality import (
    DEGRADATIONS,
    EDGE,
    SMALL_TILES,
    Case,
    compare,
    lanczos,
    load,
    nano,
    one_line_each,
    picture_cases,
    resize,
    score,
    table,
)
from seedvr2.selection import NANO
from tests.seedvr2.nano.scene import psnr, scene
from training.degrade import quantise, shrink


def test_every_degradation_gives_a_source_of_the_right_size_twice_the_same(folder: Path) -> None:
    first, second = (list(picture_cases(folder, 4, DEGRADATIONS, 1)) for _ in range(2))
    assert [kind for kind, _ in first] == list(DEGRADATIONS)
    for (_, case), (_, again) in zip(first, second, strict=True):
        assert torch.equal(case.source, again.source)
        height, width = case.original.shape[2:]
        assert height <= EDGE
        assert case.source.shape[2:] == (height // 4, width // 4)
        assert psnr(resize(case.source, (height, width)), case.original) > 15


def test_a_perfect_method_beats_the_resizes_and_a_resize_does_not_beat_itself() -> None:
    original = scene(64, 96)[None]
    case = Case("scene", shrink(original, (32, 48), "bicubic"), original)
    rivals = {"bicubic": resize, "Lanczos": lanczos}

    def perfect(source: Tensor, size: tuple[int, int]) -> Tensor:
        return original

    assert score(perfect, case)["SSIM"] == pytest.approx(1.0)
    won = table("x", compare([("g", case)], rivals | {"nano": perfect}))
    assert won.endswith("| 100% |")
    assert "| 0% |" in table("x", compare([("g", case)], rivals | {"nano": resize}))
    assert "+0.00" in one_line_each("x", compare([("g", case)], rivals)["g"], "bicubic")


def test_nano_without_strength_scores_as_the_resize_that_it_starts_from() -> None:
    original = scene(64, 96)[None]
    case = Case("scene", quantise(shrink(original, (32, 48), "bicubic")), original)
    model = load(NANO, "float32")
    assert score(nano(model, strength=0.0), case) == score(resize, case)
    assert score(nano(model, softness=1.0), case)["PSNR"] < score(nano(model), case)["PSNR"]


def test_clips_are_scored_for_flicker() -> None:
    original = torch.stack([scene(32, 32, seed) for seed in range(3)])
    case = Case("clip", shrink(original, (16, 16), "bicubic"), original)
    assert score(resize, case)["flicker"] > 0


@pytest.mark.parametrize("tiling", [None, SMALL_TILES], ids=["whole", "tiled"])
def test_nano_runs_as_a_job_does(tiling: object) -> None:
    source = scene(72, 88)[None]
    result = nano(load(NANO, "float32"), "none", tiling=tiling)(source, (144, 176))  # type: ignore[arg-type]
    assert result.shape == (1, 3, 144, 176)
    assert psnr(result, resize(source, (144, 176))) > 25
