"""What of a job's segments a retry goes on with: settings that were changed, sources that were changed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from seedvr2 import Upscaler
from seedvr2 import attempts as module
from seedvr2.coding.wish import Wish
from seedvr2.errors import MediaError
from seedvr2.media import open_source
from seedvr2.media.videos.frame_coder import encoder_identity, encoder_of
from seedvr2.options import PARAMETERS, Parameter
from seedvr2.progress import Progress
from seedvr2.segments.folder import folder_beside
from seedvr2.segments.frozen import read_plan
from seedvr2.segments.handing_over import hand_over
from seedvr2.segments.journal import Journal
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene
from tests.seedvr2.segments.test_video_job import Interrupted, coded, interrupt_at, options

LIMIT = 6


@pytest.fixture(scope="module")
def nano() -> Upscaler:
    return Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "in.mp4", list(pixels(scene(1, 20, step=2))))


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "frames_at_a_time", lambda *_args, **_more: LIMIT)


@pytest.fixture(scope="module")
def interrupted(nano: Upscaler, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a job of the usual settings leaves that was interrupted; only to be copied and looked at."""
    keep = tmp_path_factory.mktemp("interrupted") / "keep"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "frames_at_a_time", lambda *_args, **_more: LIMIT)
        begun(nano, clip, keep)
    return keep


def frames_done(keep: Path) -> int:
    return sum(done.frames for done in Journal(keep).done.values())


def begun(nano: Upscaler, clip: Path, keep: Path, **way: Any) -> int:
    """A job that was interrupted; answers the frames that are done."""
    suffix = way.get("output_format", "mp4")
    with pytest.raises(Interrupted):
        nano.upscale(clip, keep.parent / f"first.{suffix}", options(way), keep=keep, on_progress=interrupt_at(15))
    return frames_done(keep)


def other_value(parameter: Parameter) -> Any:
    if parameter.choices:
        return next(choice for choice in parameter.choices if choice != parameter.default)
    if parameter.kind is bool:
        return not parameter.default
    return parameter.kind(3) if parameter.default != 3 else parameter.kind(5)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_each_parameter_is_of_use_for_segments_or_not_as_the_table_says(
    interrupted: Path, parameter: Parameter
) -> None:
    plan = read_plan(interrupted)
    assert plan is not None
    changed = replace(plan, options=replace(plan.options, **{parameter.name: other_value(parameter)}))
    assert plan.makes_the_same(changed) is not parameter.in_frames
    if parameter.in_frames:
        assert changed.instead_of(plan) == "the settings were changed"
    else:
        assert changed.taking_over(plan).options == changed.options


# Containers with one encoder, a number that only a GPU has use for, and the codec that the format has anyway.
SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"output_format": "mkv"}),
    ({"output_format": "mkv", "video_codec": "hevc"}, {"output_format": "mp4", "video_codec": "hevc"}),
    ({}, {"blocks_to_swap": 3}),
    ({"output_format": "webm"}, {"output_format": "webm", "video_codec": "vp9"}),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_what_changes_no_segment_goes_on_with_them(
    nano: Upscaler, clip: Path, tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    suffix = after.get("output_format", "mp4")
    whole = nano.upscale(clip, tmp_path / f"whole.{suffix}", options(after))
    keep = tmp_path / "keep"
    done = begun(nano, clip, keep, **before)
    reports: list[Progress] = []
    target = tmp_path / f"out.{suffix}"
    result = nano.upscale(clip, target, options(after), keep=keep, on_progress=reports.append)
    assert done >= LIMIT and reports[0].frames_done == done
    assert coded(target) == coded(whole.path) and result.warnings == whole.warnings
    plan = read_plan(keep)
    assert plan is not None and plan.options == options(after) and plan.suffix == f".{suffix}"


def test_what_changes_pixels_or_packets_begins_anew_and_says_so(
    nano: Upscaler, clip: Path, tmp_path: Path, interrupted: Path
) -> None:
    for number, way in enumerate(({"seed": 7, "strength": 0.5}, {"video_codec": "hevc"}, {"output_format": "webm"})):
        keep = shutil.copytree(interrupted, tmp_path / f"keep{number}")
        done = frames_done(keep)
        reports: list[Progress] = []
        target = tmp_path / f"out{number}.{way.get('output_format', 'mp4')}"
        result = nano.upscale(clip, target, options(way), keep=keep, on_progress=reports.append)
        assert max(report.frames_done for report in reports if report.stage == "loading") == 0
        assert f"{done} frames that were done are made again, since the settings were changed." in result.warnings


def test_a_retry_takes_another_source_and_says_so_or_goes_on_with_the_former_one(
    nano: Upscaler, clip: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(clip.read_bytes())
    keep, retry = tmp_path / "keep", tmp_path / "retry"
    done = begun(nano, source, keep)
    write_video(source, list(pixels(scene(3, 20, step=2))))
    with pytest.raises(MediaError, match=r"in\.mp4 has changed since its work began.*or retry it to begin with this"):
        nano.upscale(source, target, options({}), keep=keep)
    assert sum(each.frames for each in Journal(keep).done.values()) == done
    # The former file is put back.
    other = source.read_bytes()
    source.write_bytes(clip.read_bytes())
    hand_over(keep, retry)
    reports: list[Progress] = []
    with pytest.raises(Interrupted):
        nano.upscale(
            source,
            target,
            options({}),
            keep=retry,
            on_progress=lambda now: reports.append(now) or interrupt_at(19)(now),
        )
    assert reports[0].frames_done == done
    # From then on it is as for any job: what changes is refused.
    source.write_bytes(other)
    with pytest.raises(MediaError, match="has changed since its work began"):
        nano.upscale(source, target, options({}), keep=retry)
    again = tmp_path / "again"
    hand_over(retry, again)
    result = nano.upscale(source, target, options({}), keep=again)
    (told,) = [warning for warning in result.warnings if "made again" in warning]
    assert told.endswith("are made again, since the source is another one by now.")
    assert coded(target) == coded(nano.upscale(source, tmp_path / "whole.mp4", options({})).path)


@pytest.mark.parametrize("way", ["other content", "touched"])
def test_a_source_that_changes_while_a_segment_is_made_ends_the_job_before_it_is_recorded(
    nano: Upscaler, clip: Path, tmp_path: Path, way: str
) -> None:
    source, target, keep = tmp_path / "in.mp4", tmp_path / "out.mp4", tmp_path / "keep"
    source.write_bytes(clip.read_bytes())
    before = {}

    def change(progress: Progress) -> None:
        if progress.frames_done == LIMIT + 2 and not before:
            before.update(Journal(keep).done)
            if way == "touched":
                os.utime(source, (1, 1))
            else:
                with source.open("r+b") as file:
                    file.seek(-1, os.SEEK_END)
                    file.write(b"?")

    if way == "touched":
        assert nano.upscale(source, target, options({}), keep=keep, on_progress=change).frames == 20
        assert before
        return
    with pytest.raises(MediaError, match=r"in\.mp4 has changed since its work began"):
        nano.upscale(source, target, options({}), keep=keep, on_progress=change)
    assert before and Journal(keep).done == before and not target.exists()
    source.write_bytes(clip.read_bytes())
    assert nano.upscale(source, target, options({}), keep=keep).frames == 20


def test_the_encoder_says_what_a_change_of_codec_or_format_changes(clip: Path) -> None:
    with open_source(clip) as source:

        def identity(suffix: str, codec: str) -> str:
            return json.dumps(encoder_identity(encoder_of(suffix, source, (64, 64), Wish(codec=codec))))

        assert identity(".mp4", "h264") == identity(".mkv", "h264") != identity(".mkv", "hevc")
        assert identity(".mp4", "auto") == identity(".mp4", "h264")
        assert identity(".webm", "auto") == identity(".webm", "vp9") != identity(".webm", "av1")


def test_a_plan_keeps_what_is_known_of_the_source(interrupted: Path, tmp_path: Path) -> None:
    plan = read_plan(interrupted)
    assert plan is not None and not plan.damaged
    assert [asdict(entry)["number"] for entry in plan.entries] == [0]
    assert folder_beside(tmp_path / "out.mp4").name == ".out.mp4.segments"
