"""Segments of a plan, made apart from each other."""

from __future__ import annotations

import errno
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seedvr2 import UpscaleOptions, workshop
from seedvr2 import attempts as module
from seedvr2.errors import Cancelled, MachineError, MediaError, OptionError, OutOfMemoryError
from seedvr2.farm.joining import join
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.planning import disk
from seedvr2.planning.machine import MachinePlanner
from seedvr2.progress import Progress
from tests.seedvr2.farm.conftest import Farm
from tests.seedvr2.farm.jobs import CLIP, FRAMES, kinds, nano, packets
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene


def test_segments_made_apart_in_any_order_are_joined_to_what_one_machine_makes(farm: Farm, tmp_path: Path) -> None:
    result = join(farm.plan, farm.parts, tmp_path / "out.mkv")
    assert packets(result.path) == packets(farm.whole) and len(farm.plan.frozen.segments) == 4
    assert kinds(result.path) == ["video", "audio", "subtitle", "attachment"]
    assert (result.frames, result.width, result.height, result.model) == (FRAMES, 48, 32, "nano")
    assert result.warnings == farm.warnings
    assert len(list(farm.parts.iterdir())) == 8


@pytest.mark.parametrize(
    "way",
    [
        {},
        pytest.param({"temporal_overlap": 2, "prepend_frames": 3}, marks=pytest.mark.long),
        pytest.param({"stitching": "batch", "temporal_overlap": 3, "prepend_frames": 2}, marks=pytest.mark.long),
        pytest.param({"shots": "off", "temporal_overlap": 1}, marks=pytest.mark.long),
    ],
)
def test_segments_within_shots_are_the_same_alone_and_together(
    tmp_path: Path, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_video(tmp_path / "in.mkv", list(pixels(scene(1, 17, step=2), scene(2, 8, step=2))))
    options = UpscaleOptions(resolution=32, **way)
    monkeypatch.setattr(module, "frames_at_a_time", lambda *_args, **_more: 6)
    whole = nano().upscale(clip, tmp_path / "whole.mp4", options)
    plan = nano().freeze(clip, options)
    monkeypatch.undo()
    numbers = list(range(len(plan.frozen.segments)))
    assert len(numbers) >= 3
    folders = [tmp_path / "alone", tmp_path / "together"]
    for folder in folders:
        folder.mkdir()
    for number in reversed(numbers):
        nano().make_segments(plan, [number], folders[0])
    nano().make_segments(plan, numbers, folders[1])
    for number in numbers:
        one, two = ((folder / f"seg-{number:05d}").read_bytes() for folder in folders)
        assert one == two
    assert packets(join(plan, folders[0], tmp_path / "out.mp4").path) == packets(whole.path)


def test_what_there_is_to_warn_of_is_told_by_the_join(tmp_path: Path) -> None:
    source, options = CLIP.with_name("42_hdr10.mp4"), UpscaleOptions(resolution=32, profile="web")
    whole = nano().upscale(source, tmp_path / "whole.mp4", options)
    plan = nano().freeze(source, options)
    nano().make_segments(plan, range(len(plan.frozen.segments)), tmp_path)
    result = join(plan, tmp_path, tmp_path / "out.mp4")
    assert packets(result.path) == packets(whole.path)
    assert result.warnings == whole.warnings and "high dynamic range" in result.warnings[0]


def test_several_at_once_are_the_same_files(farm: Farm, tmp_path: Path) -> None:
    reports: list[Progress] = []
    made = nano().make_segments(farm.plan, [0, 1, 3], tmp_path, on_progress=reports.append)
    for number in (0, 1, 3):
        name = f"seg-{number:05d}"
        assert (tmp_path / name).read_bytes() == (farm.parts / name).read_bytes()
    assert not made.found and [done.index for _, done in made.units] == [0, 1, 3]
    frames = sum(farm.plan.frozen.segments[number].frames for number in (0, 1, 3))
    assert (reports[-1].frames_done, reports[-1].frames_total) == (frames, frames)


def test_what_is_there_is_left_and_what_is_damaged_is_made_again(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {path.name: path.read_bytes() for path in farm.parts.iterdir() if not path.suffix}
    (farm.parts / "seg-00001").write_bytes(b"damaged")
    before = {path.name: path.stat().st_mtime_ns for path in farm.parts.iterdir()}
    made = nano().make_segments(farm.plan, [0, 1, 2], farm.parts)
    assert sorted(unit.index for unit in made.found) == [0, 2]
    assert {path.name: path.read_bytes() for path in farm.parts.iterdir() if not path.suffix} == whole
    changed = [name for name, time in before.items() if (farm.parts / name).stat().st_mtime_ns != time]
    assert sorted(changed) == ["seg-00001", "seg-00001.json"]

    def refuse(*_args: Any, **_more: Any) -> None:
        raise AssertionError("no model is needed")

    monkeypatch.setattr(workshop, "load_model", refuse)
    assert len(nano().make_segments(farm.plan, range(4), farm.parts, source=Path("gone.mkv")).found) == 4


def test_a_single_segment_goes_into_any_file_but_never_over_one(farm: Farm, tmp_path: Path) -> None:
    target = tmp_path / "piece.bin"
    nano().make_segments(farm.plan, [2], target)
    assert target.read_bytes() == (farm.parts / "seg-00002").read_bytes()
    with pytest.raises(MediaError, match=r"piece\.bin exists already and is not this segment of this plan"):
        nano().make_segments(farm.plan, [1], target)
    (tmp_path / "film.mp4").write_bytes(b"mine")
    with pytest.raises(MediaError, match=r"film\.mp4 exists already"):
        nano().make_segments(farm.plan, [1], tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize(("numbers", "told"), [([4], "segments 0 to 3; there is no 4"), ([0, 1], "go into a folder")])
def test_what_the_plan_does_not_have_is_a_wrong_request(
    farm: Farm, tmp_path: Path, numbers: list[int], told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        nano().make_segments(farm.plan, numbers, tmp_path / "new")


def test_another_source_or_model_is_refused_and_nothing_is_written(farm: Farm, tmp_path: Path) -> None:
    parts, other = tmp_path / "new", tmp_path / "other.mkv"
    parts.mkdir()
    other.write_bytes(CLIP.read_bytes() + b"\0")
    with pytest.raises(MediaError, match=r"other\.mkv is not of the size of the file that the plan was made for"):
        nano().make_segments(farm.plan, [0], parts, source=other)
    frozen = replace(farm.plan.frozen, models=(("nano", "0" * 64), farm.plan.frozen.models[1]))
    with pytest.raises(OptionError, match="Here the model is nano_dit_fp16"):
        nano().make_segments(replace(farm.plan, frozen=frozen), [0], parts)
    assert not list(parts.iterdir())


def test_the_source_may_be_elsewhere(farm: Farm, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(CLIP.read_bytes())
    away = replace(farm.plan, source=Path("/no/such/in.mkv"))
    nano().make_segments(away, [0], tmp_path, source=copy)
    assert (tmp_path / "seg-00000").read_bytes() == (farm.parts / "seg-00000").read_bytes()
    with pytest.raises(MediaError, match=r"There is no file in\.mkv"):
        nano().make_segments(away, [1], tmp_path)


def test_nothing_is_chosen_anew(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MachinePlanner, "plan", lambda *_args: pytest.fail("planned again"))
    threads = torch.get_num_threads()
    nano().make_segments(farm.plan, [1], tmp_path)
    assert (tmp_path / "seg-00001").read_bytes() == (farm.parts / "seg-00001").read_bytes()
    assert torch.get_num_threads() == threads


def test_where_memory_runs_out_the_plan_stays_and_nothing_is_left(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(BatchRestorer, "decode", fail)
    with pytest.raises(OutOfMemoryError, match="not enough memory on cpu to follow the plan"):
        nano().make_segments(farm.plan, [1], tmp_path)
    assert not list(tmp_path.glob("*seg*"))


def test_a_segment_that_is_stopped_leaves_nothing_and_those_before_it_stay(farm: Farm, tmp_path: Path) -> None:
    done = 0

    def count(progress: Progress) -> None:
        nonlocal done
        done = progress.frames_done

    first = farm.plan.frozen.segments[0].frames
    with pytest.raises(Cancelled):
        nano().make_segments(farm.plan, range(4), tmp_path, on_progress=count, cancelled=lambda: done > first)
    assert sorted(path.name for path in tmp_path.glob("*seg*")) == ["seg-00000", "seg-00000.json"]


def test_a_disk_without_room_is_the_machines_trouble(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(9, 9, 0))
    with pytest.raises(MachineError, match=r"Making seg-00001 needs .* on the disk of .* free .* more") as caught:
        nano().make_segments(replace(farm.plan, disk=replace(farm.plan.disk, least=10**9)), [1], tmp_path)
    assert caught.value.errno == errno.ENOSPC and not list(tmp_path.glob("*seg*"))


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_picture_and_an_animation_are_one_segment(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (3, 20, 30, 3), np.uint8)
    images = [Image.fromarray(each) for each in noise]
    more: dict[str, Any] = {"save_all": True, "append_images": images[1:]} if name == "a.gif" else {}
    source = tmp_path / name
    images[0].save(source, **more)
    options, parts = UpscaleOptions(resolution=32), tmp_path / "parts"
    parts.mkdir()
    whole = nano().upscale(source, tmp_path / "whole", options)
    plan = nano().freeze(source, options)
    assert [segment.frames for segment in plan.frozen.segments] == [whole.frames] == [3 if more else 1]
    (parts / f".seg-00000.part{plan.frozen.suffix}").write_bytes(b"left by a crash")
    nano().make_segments(plan, [0], parts)
    assert sorted(path.name for path in parts.iterdir()) == ["seg-00000", "seg-00000.json"]
    result = join(plan, parts, tmp_path / f"out{plan.frozen.suffix}")
    assert result.path.read_bytes() == whole.path.read_bytes()
    assert (result.frames, result.width, result.height) == (whole.frames, whole.width, whole.height)
    assert result.warnings == whole.warnings
