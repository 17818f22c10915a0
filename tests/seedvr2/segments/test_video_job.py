"""A video in segments: interrupted anywhere and taken up again, it comes out as if nothing had happened."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as module
from seedvr2.errors import Cancelled, MachineError, MediaError, SeedVR2Error, Yielded
from seedvr2.media import open_source
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.planning import disk
from seedvr2.planning.card import SimulatedLayer
from seedvr2.planning.machine import MachinePlanner
from seedvr2.planning.plan import Plan
from seedvr2.progress import Progress
from seedvr2.segments.folder import folder_beside
from seedvr2.segments.journal import Journal
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

ROOT = Path(__file__).parents[3]
LIMIT = 6
# Two shots, of which the first is longer than a segment.
WAYS = [
    {},
    {"temporal_overlap": 2},
    {"temporal_overlap": 3, "prepend_frames": 2},
    {"shots": "off", "temporal_overlap": 1, "output_format": "mkv"},
]
# The first two are less of the third.
QUICK_WAYS = [pytest.param(way, marks=pytest.mark.long if index < 2 else []) for index, way in enumerate(WAYS)]


@pytest.fixture(scope="module")
def nano() -> Upscaler:
    return Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    return write_video(path, list(pixels(scene(1, 17, step=2), scene(2, 8, step=2))))


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "frames_at_a_time", lambda *_args, **_more: LIMIT)


def coded(path: Path) -> list[tuple[Any, ...]]:
    """All packets of a file, to the last byte."""
    with av.open(str(path)) as container:
        return [(packet.stream_index, packet.pts, packet.dts, bytes(packet)) for packet in container.demux()]


def shown(path: Path) -> list[tuple[Any, ...]]:
    with open_source(path) as source:
        return [(frame.pts * frame.time_base, frame.image.tobytes()) for frame in source.frames()]


class Interrupted(Exception):
    """Stands for whatever ends a run."""


def interrupt_at(frame: int) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if progress.frames_done >= frame:
            raise Interrupted

    return on_progress


def options(way: dict[str, Any]) -> UpscaleOptions:
    return UpscaleOptions(resolution=32, **way)


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_a_job_that_is_interrupted_anywhere_gives_the_same_to_the_last_byte(
    nano: Upscaler, clip: Path, tmp_path: Path, way: dict[str, Any]
) -> None:
    suffix = f".{way.get('output_format', 'mp4')}"
    whole = nano.upscale(clip, tmp_path / f"whole{suffix}", options(way))
    assert whole.frames == 25
    target = tmp_path / f"out{suffix}"
    furthest = 0
    for frame in (7, 9, 14, 20, 25):
        with pytest.raises(Interrupted):
            nano.upscale(clip, target, options(way), on_progress=interrupt_at(frame))
        done = Journal(folder_beside(target)).done
        assert sorted(done) == list(range(len(done))) and len(done) >= furthest
        furthest = len(done)
    assert furthest >= 2
    reports: list[Progress] = []
    result = nano.upscale(clip, target, options(way), on_progress=reports.append)
    before = reports[0].frames_done
    assert before >= 2 * LIMIT - 2 and reports[0].fraction == before / 25
    assert (result.frames, result.warnings) == (25, whole.warnings)
    assert coded(target) == coded(whole.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"out{suffix}", f"whole{suffix}"]


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_frames_do_not_depend_on_how_a_video_is_cut(
    nano: Upscaler, clip: Path, tmp_path: Path, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is restored; not what the encoder, which begins anew with each segment, makes of it."""
    from seedvr2.media.videos.segment_sink import SegmentSink

    write = SegmentSink.write
    given: list[bytes] = []
    kept: list[list[bytes]] = []

    def noting(self: SegmentSink, image: Any, frame: Any) -> None:
        given.append(image.tobytes())
        write(self, image, frame)

    monkeypatch.setattr(SegmentSink, "write", noting)
    for number, most in enumerate((LIMIT, 100)):
        monkeypatch.setattr(module, "frames_at_a_time", lambda *_args, _most=most, **_more: _most)
        nano.upscale(clip, tmp_path / f"{number}.mkv", options(way | {"output_format": "mkv"}))
        kept.append(given.copy())
        given.clear()
    assert len(kept[0]) == 25 and kept[0] == kept[1]
    # Each segment by itself, as after the loss of all others.
    monkeypatch.setattr(module, "frames_at_a_time", lambda *_args, **_more: LIMIT)
    target = tmp_path / "out.mkv"
    keep = tmp_path / "keep"
    nano.upscale(clip, target, options(way | {"output_format": "mkv"}), keep=keep)
    plan = json.loads((keep / "plan.json").read_text())
    assert len(plan["segments"]) >= 4
    for index, segment in enumerate(plan["segments"]):
        Journal(keep).file(index).write_bytes(b"damaged")
        target.unlink()
        given.clear()
        nano.upscale(clip, target, options(way | {"output_format": "mkv"}), keep=keep)
        assert given == kept[0][segment["start"] : segment["stop"]]


def test_a_torn_line_and_a_damaged_file_cost_their_segments_alone(nano: Upscaler, clip: Path, tmp_path: Path) -> None:
    whole = coded(nano.upscale(clip, tmp_path / "whole.mp4", options({})).path)
    keep, target = tmp_path / "keep", tmp_path / "out.mp4"
    nano.upscale(clip, target, options({}), keep=keep)
    target.unlink()
    content = (keep / "units.jsonl").read_bytes()
    (keep / "units.jsonl").write_bytes(content[:-10])
    file = Journal(keep).file(1)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    (keep / "seg-99999.part").write_bytes(b"left")
    reports: list[Progress] = []
    result = nano.upscale(clip, target, options({}), keep=keep, on_progress=reports.append)
    last = json.loads((keep / "plan.json").read_text())["segments"][-1]
    one = json.loads((keep / "plan.json").read_text())["segments"][1]
    assert reports[0].frames_done == 25 - (last["stop"] - last["start"]) - (one["stop"] - one["start"])
    assert coded(result.path) == whole and not (keep / "seg-99999.part").exists()


def test_a_source_that_has_changed_is_refused_and_nothing_is_thrown_away(
    nano: Upscaler, clip: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(clip.read_bytes())
    with pytest.raises(Interrupted):
        nano.upscale(source, target, options({}), on_progress=interrupt_at(20))
    done = Journal(folder_beside(target)).done
    assert done
    write_video(source, list(pixels(scene(3, 17, step=2), scene(2, 8, step=2))))
    with pytest.raises(MediaError, match=r"in\.mp4 has changed since its work began.*delete \.out\.mp4\.segments"):
        nano.upscale(source, target, options({}))
    assert Journal(folder_beside(target)).done == done
    source.write_bytes(clip.read_bytes())
    assert nano.upscale(source, target, options({})).frames == 25


def test_other_options_begin_anew(nano: Upscaler, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with pytest.raises(Interrupted):
        nano.upscale(clip, target, options({}), on_progress=interrupt_at(20))
    reports: list[Progress] = []
    result = nano.upscale(clip, target, options({"seed": 7}), on_progress=reports.append)
    assert reports[0].frames_done == 0
    assert coded(result.path) == coded(nano.upscale(clip, tmp_path / "whole.mp4", options({"seed": 7})).path)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_source_that_gives_another_number_of_frames_is_an_error(
    nano: Upscaler, clip: Path, tmp_path: Path, change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = VideoSource.thumbnails

    def miscounting(self: VideoSource, width: int, height: int, first: int = 0) -> Any:
        pictures = list(scan(self, width, height, first))
        return iter(pictures[:-1] if change < 0 else [*pictures, pictures[-1]])

    monkeypatch.setattr(VideoSource, "thumbnails", miscounting)
    what = "more" if change < 0 else "fewer"
    with pytest.raises(MediaError, match=rf"the source gave {what} frames than when they were counted"):
        nano.upscale(clip, tmp_path / "out.mp4", options({}))
    assert not (tmp_path / "out.mp4").exists()


def test_what_was_chosen_for_the_memory_of_the_first_run_stays(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, target, keep = UpscaleOptions(resolution=32, temporal_overlap=1), tmp_path / "out.mp4", tmp_path / "keep"
    windows: list[int] = []
    plan = MachinePlanner.plan

    def smaller(self: MachinePlanner, request: Any, info: Any) -> Plan:
        return replace(plan(self, request, info), window=3)

    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32")
    whole = upscaler.upscale(clip, tmp_path / "whole.mp4", asked)
    with pytest.raises(Interrupted):
        upscaler.upscale(clip, target, asked, keep=keep, on_progress=interrupt_at(20))
    monkeypatch.setattr(MachinePlanner, "plan", smaller)
    windows.append(json.loads((keep / "plan.json").read_text())["settings"]["window"])
    result = upscaler.upscale(clip, target, asked, keep=keep)
    windows.append(json.loads((keep / "plan.json").read_text())["settings"]["window"])
    assert windows == [5, 5] and coded(result.path) == coded(whole.path)


def test_where_memory_runs_out_the_job_begins_anew_with_less(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_step, calls = BatchRestorer.one_step, []

    def fail_late(self: BatchRestorer, latent: torch.Tensor, *noise: torch.Tensor) -> torch.Tensor:
        calls.append(latent.shape[0])
        if len(calls) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return one_step(self, latent, *noise)

    monkeypatch.setattr(BatchRestorer, "one_step", fail_late)
    upscaler = Upscaler(tmp_path, device="cpu", dtype="float32", layer=SimulatedLayer(24))
    keep = tmp_path / "keep"
    result = upscaler.upscale(clip, tmp_path / "out.mp4", options({}), keep=keep)
    plan = json.loads((keep / "plan.json").read_text())
    assert result.frames == len(shown(result.path)) == 25
    told = [warning for warning in result.warnings if "Memory ran out" in warning]
    assert told == plan["notes"] and len(told) == 1
    # Nothing is left of what was made before, and the same call again only joins.
    assert len(list(keep.glob("seg-*"))) == len(plan["segments"])
    (tmp_path / "out.mp4").unlink()
    made = len(calls)
    again = upscaler.upscale(clip, tmp_path / "out.mp4", options({}), keep=keep)
    assert len(calls) == made and again.warnings == result.warnings


def test_a_job_that_cannot_fit_onto_the_disk_does_not_begin_and_one_that_cannot_be_joined_waits(
    nano: Upscaler, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage, target, keep = namedtuple("usage", "total used free"), tmp_path / "out.mp4", tmp_path / "keep"
    free = 0
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(10**9, 0, free))
    with pytest.raises(MachineError, match=r"Making out\.mp4 needs 1 MB on the disk of .*; free 1 MB more") as caught:
        nano.upscale(clip, target, options({}), keep=keep)
    assert caught.value.errno == errno.ENOSPC and not Journal(keep).done
    free = 2000
    with pytest.raises(MachineError, match=r"Joining out\.mp4 needs 1 MB on the disk of") as caught:
        nano.upscale(clip, target, options({}), keep=keep)
    assert caught.value.errno == errno.ENOSPC and not target.exists()
    reports: list[Progress] = []
    free = sum(done.bytes for done in Journal(keep).done.values())
    assert nano.upscale(clip, target, options({}), keep=keep, on_progress=reports.append).frames == 25
    assert {report.frames_done for report in reports} == {25}


def test_two_runs_of_one_job_are_told_apart(nano: Upscaler, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"

    def again(progress: Progress) -> None:
        if progress.frames_done == 10:
            with pytest.raises(SeedVR2Error, match=r"out\.mp4 is being written already"):
                Upscaler(Path("none"), device="cpu", dtype="float32").upscale(clip, target, options({}))

    assert nano.upscale(clip, target, options({}), on_progress=again).frames == 25


def test_sound_is_whole_where_segments_meet(nano: Upscaler, tmp_path: Path) -> None:
    frames = list(pixels(scene(1, 24, step=2)))
    clip = write_video(tmp_path / "in.mp4", frames, audio=[("aac", {})], audio_seconds=1.5)
    target = tmp_path / "out.mp4"
    with pytest.raises(Interrupted):
        nano.upscale(clip, target, UpscaleOptions(resolution=32), on_progress=interrupt_at(14))
    nano.upscale(clip, target, UpscaleOptions(resolution=32))
    sounds = []
    for path in (clip, target):
        with av.open(str(path)) as container:
            sounds.append([(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size])
    assert sounds[0] == sounds[1] != []


CHILD = """
import sys
from pathlib import Path
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as module
module.frames_at_a_time = lambda *_args, **_more: 1
clip, target, overlap = sys.argv[1:]
options = UpscaleOptions(resolution=16, batch_size=1 if overlap == "0" else 5, temporal_overlap=int(overlap))
print("ready", flush=True)
Upscaler(Path("none"), device="cpu", dtype="float32", default_model="nano").upscale(Path(clip), Path(target), options)
"""


def test_a_process_that_is_killed_goes_on(tmp_path: Path) -> None:
    """Twice, at any instant; tests/faults does it fifty times."""
    clip = write_video(tmp_path / "in.mkv", list(pixels(scene(1, 20, step=1))), codec="ffv1", options={})
    chance = random.Random(20)
    command = [sys.executable, "-c", CHILD, str(clip)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(tmp_path / "whole.mp4"), "0"], check=True, env=environment, stdout=subprocess.PIPE)
    target = tmp_path / "out.mp4"
    for _ in range(2):
        with subprocess.Popen([*command, str(target), "0"], env=environment, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None and child.stdout.readline() == b"ready\n"
            try:
                child.wait(chance.uniform(0.2, 3.0))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        if target.exists():
            break
    if not target.exists():
        subprocess.run([*command, str(target), "0"], check=True, env=environment, stdout=subprocess.PIPE)
    assert coded(target) == coded(tmp_path / "whole.mp4")
    assert len(shown(target)) == 20
    if list(tmp_path.glob(".out*")):
        # It ended between the name and the removal of what was left to remove.
        assert subprocess.run([*command, str(target), "0"], env=environment, capture_output=True).returncode
    assert not list(tmp_path.glob(".out*"))


def test_segments_that_a_finished_result_left_go_with_the_next_try_and_no_others(
    nano: Upscaler, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.mp4"
    with monkeypatch.context() as killed:
        killed.setattr("seedvr2.segments.folder.SegmentFolder.remove", lambda self: self.release())
        nano.upscale(clip, target, options({}))
    assert folder_beside(target).is_dir()
    whole = target.read_bytes()
    target.write_bytes(whole[:-1] + b"x")
    with pytest.raises(MediaError, match="exists already"):
        nano.upscale(clip, target, options({}))
    assert folder_beside(target).is_dir()
    target.write_bytes(whole)
    with pytest.raises(MediaError, match="exists already"):
        nano.upscale(clip, target, options({}))
    assert not folder_beside(target).exists() and target.read_bytes() == whole


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "h264"),
        # Each encoder is taken up in the middle by `test_profiles`, too.
        pytest.param("mkv", "hevc", marks=pytest.mark.long),
        pytest.param("webm", "vp9", marks=pytest.mark.long),
        pytest.param("mov", "prores", marks=pytest.mark.long),
    ],
)
def test_every_encoder_repeats_itself_and_is_joined(
    nano: Upscaler, clip: Path, tmp_path: Path, suffix: str, codec: str
) -> None:
    way = options({"video_codec": codec, "output_format": suffix})
    paths = [nano.upscale(clip, tmp_path / f"{number}.{suffix}", way).path for number in range(3)]
    results = [coded(path) for path in paths]
    assert results[0] == results[1] == results[2]
    times = [time for time, _ in shown(clip)]
    assert [float(time) for time, _ in shown(paths[0])] == pytest.approx([float(time) for time in times], abs=0.001)


def test_a_frame_of_each_number_is_the_one_without_a_skip(clip: Path) -> None:
    with open_source(clip) as source:
        assert isinstance(source, VideoSource)
        whole = list(source.frames())
        for first in (1, 10, 24):
            rest = list(source.frames(first))
            assert [(frame.pts, frame.duration) for frame in rest] == [(f.pts, f.duration) for f in whole[first:]]
            assert all(np.array_equal(one.image, two.image) for one, two in zip(rest, whole[first:], strict=True))
        assert list(source.frames(25)) == []


def test_it_gives_way_where_a_segment_ends_and_goes_on_with_the_same_frames(
    nano: Upscaler, clip: Path, tmp_path: Path
) -> None:
    whole = coded(nano.upscale(clip, tmp_path / "whole.mp4", options({})).path)
    keep, target = tmp_path / "keep", tmp_path / "out.mp4"
    made, reports = [], list[Progress]()
    while not target.exists():
        with contextlib.suppress(Yielded):
            nano.upscale(clip, target, options({}), keep=keep, give_way=lambda: True, on_progress=reports.append)
        made.append(len(Journal(keep).done) if keep.exists() else -1)
    count = len(json.loads((keep / "plan.json").read_text())["segments"])
    # The first time it gives way while shots are looked for, and then after each segment but the last.
    assert [number for number in made if number] == list(range(1, count + 1)) and count >= 4
    assert not list(keep.glob("*.part"))
    assert coded(target) == whole
    told = [report.segments for report in reports if report.segments]
    assert {segments.total for segments in told} == {count}
    assert max(segments.done for segments in told) == count
    for report in reports:
        if report.segments and report.segments.done < count:
            assert report.frames_done / 25 < report.segments.border <= 1


def test_what_is_known_of_the_shots_outlives_giving_way(tmp_path: Path, nano: Upscaler) -> None:
    long = write_video(tmp_path / "long.mkv", list(pixels(scene(1, 60, step=1))), codec="ffv1", options={})
    keep = tmp_path / "keep"
    with pytest.raises(Yielded):
        nano.upscale(long, tmp_path / "out.mkv", options({"output_format": "mkv"}), keep=keep, give_way=lambda: True)
    assert json.loads((keep / "scan.json").read_text())["frames"] == 25


def test_a_cancel_is_heard_at_the_next_slice(nano: Upscaler, clip: Path, tmp_path: Path) -> None:
    asked: list[int] = []
    steps: list[str] = []

    def cancelled() -> bool:
        asked.append(len(steps))
        return len(steps) > 20

    with pytest.raises(Cancelled):
        nano.upscale(
            clip,
            tmp_path / "out.mp4",
            options({}),
            cancelled=cancelled,
            on_progress=lambda now: steps.append(now.stage),
        )
    # No stage of the work was reported after the one at which it was due.
    assert len(steps) <= 22 and asked[-1] > 20
