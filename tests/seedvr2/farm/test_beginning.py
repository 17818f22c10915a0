"""How a job begins on a machine that keeps nothing of it, and how its segments are joined from where they are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from seedvr2 import UpscaleOptions, Upscaler, attempts
from seedvr2.errors import MediaError
from seedvr2.farm.beginning import Kept
from seedvr2.farm.joining import join_kept
from seedvr2.segments.handing_over import PLAN
from seedvr2.segments.journal import Journal
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

OPTIONS = UpscaleOptions(resolution=64, batch_size=5)


@pytest.fixture
def upscaler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upscaler:
    monkeypatch.setattr(attempts, "frames_at_a_time", lambda *_args, **_more: 6)
    return Upscaler(tmp_path / "none", device="cpu", dtype="float32")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", list(pixels(scene(1, 12, step=1))))


def test_a_plan_that_still_holds_is_gone_on_with(upscaler: Upscaler, clip: Path) -> None:
    first = upscaler.begin(clip, OPTIONS)
    assert first is not None
    assert not first.goes_on
    assert len(first.plan.frozen.segments) == 2
    again = upscaler.begin(clip, OPTIONS, kept=Kept(first.plan.frozen, 6))
    assert again is not None
    assert again.goes_on
    assert again.plan.frozen == first.plan.frozen


def test_other_options_are_another_plan_which_says_so(upscaler: Upscaler, clip: Path) -> None:
    first = upscaler.begin(clip, OPTIONS)
    assert first is not None
    other = upscaler.begin(clip, replace(OPTIONS, seed=7), kept=Kept(first.plan.frozen, 6))
    assert other is not None
    assert not other.goes_on
    assert other.plan.frozen.notes == ("6 frames that were done are made again, since the settings were changed.",)


def test_another_source_is_refused_but_for_a_retry(upscaler: Upscaler, clip: Path) -> None:
    first = upscaler.begin(clip, OPTIONS)
    assert first is not None
    write_video(clip.with_name("other.mp4"), list(pixels(scene(2, 12, step=1)))).replace(clip)
    with pytest.raises(MediaError, match="has changed since its work began"):
        upscaler.begin(clip, OPTIONS, kept=Kept(first.plan.frozen, 6))
    retried = upscaler.begin(clip, OPTIONS, kept=Kept(first.plan.frozen, 6, retried=True))
    assert retried is not None
    assert not retried.goes_on


def test_where_memory_ran_out_it_is_planned_with_less(upscaler: Upscaler, clip: Path) -> None:
    first = upscaler.begin(clip, UpscaleOptions(resolution=256, batch_size=5))
    assert first is not None
    assert first.plan.frozen.settings.tiling is None
    smaller = upscaler.begin(
        clip, UpscaleOptions(resolution=256, batch_size=5), kept=Kept(first.plan.frozen, 6, too_large=True)
    )
    assert smaller is not None
    assert not smaller.goes_on
    assert smaller.plan.frozen.settings != first.plan.frozen.settings
    assert "Memory ran out" in smaller.plan.frozen.notes[0]


def test_a_picture_is_not_made_in_segments(upscaler: Upscaler, tmp_path: Path) -> None:
    Image.new("RGB", (32, 24), "teal").save(tmp_path / "a.png")
    assert upscaler.begin(tmp_path / "a.png", OPTIONS) is None


def test_kept_segments_are_joined_to_the_result_of_one_machine(upscaler: Upscaler, clip: Path, tmp_path: Path) -> None:
    whole = upscaler.upscale(clip, tmp_path / "whole.mp4", OPTIONS)
    begun, keep = upscaler.begin(clip, OPTIONS), tmp_path / "keep"
    assert begun is not None
    keep.mkdir()
    (keep / PLAN).write_text(json.dumps(begun.plan.as_dict()))
    journal = Journal(keep)
    made = upscaler.make_segments(begun.plan, [1], keep / "unit")
    ((unit, done),) = made.units
    unit.path.rename(journal.part(1))
    journal.add(1, done.frames)
    with pytest.raises(MediaError, match="segments 0"):
        join_kept(keep, clip, tmp_path / "joined.mp4")
    made = upscaler.make_segments(begun.plan, [0], keep / "unit")
    ((unit, done),) = made.units
    unit.path.rename(journal.part(0))
    journal.add(0, done.frames)
    joined = join_kept(keep, clip, tmp_path / "joined.mp4")
    assert joined.frames == whole.frames
    assert joined.path.read_bytes() == whole.path.read_bytes()
