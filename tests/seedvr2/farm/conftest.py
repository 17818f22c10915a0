"""One plan, with all its segments, for all tests that only read them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from seedvr2 import attempts as module
from seedvr2.farm.job_plan import JobPlan
from tests.seedvr2.farm.jobs import CLIP, MOST, OPTIONS, nano


@dataclass(frozen=True)
class Farm:
    """A plan, a folder with all its segments, and the result of `upscale`."""

    plan: JobPlan
    parts: Path
    whole: Path
    warnings: tuple[str, ...]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("farm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "frames_at_a_time", lambda *_args, **_more: MOST)
        upscaler = nano()
        result = upscaler.upscale(CLIP, folder / "whole.mkv", OPTIONS)
        plan = upscaler.freeze(CLIP, OPTIONS)
    # Made with no patch and by others, in another order.
    for number in (2, 0, 3, 1):
        nano().make_segments(plan, [number], folder)
    return Farm(plan, folder, result.path, result.warnings)


@pytest.fixture
def farm(made: Farm, tmp_path: Path) -> Farm:
    """The same, with the segments in a folder of the test's own."""
    parts = tmp_path / "parts"
    parts.mkdir()
    for file in made.parts.glob("seg-*"):
        shutil.copy(file, parts)
    return Farm(made.plan, parts, made.whole, made.warnings)
