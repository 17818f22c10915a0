"""What lies beside a clip goes where it goes, and is never a source or a mistake by itself."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from daemon.inbox.family import Family, renamed
from daemon.inbox.strays import clear_strays
from daemon.jobs.job import State
from tests.daemon.conftest import Start, eventually, picture
from tests.daemon.inbox.test_inbox import held, waiting
from tests.daemon.inbox.trees import put

TAKEOUT = {
    "title": "IMG_1.jpg", "description": "", "imageViews": "3", "creationTime": {"timestamp": "1", "formatted": "x"},
    "photoTakenTime": {"timestamp": "1"}, "geoData": {"latitude": 0.0}, "url": "https://photos.google.com/photo/A",
}  # fmt: skip
DOWNLOAD = {
    "id": "x", "title": "clip", "formats": [], "resolution": "1920x1080", "fps": 30, "width": 1920, "height": 1080,
    "duration": 3, "uploader": "u", "webpage_url": "https://x",
}  # fmt: skip
RESULT = {
    "id": "0a", "source": "a.png", "source_sha256": "ff", "source_size": [1, 1], "model": "nano.safetensors",
    "parameters": {"resolution": 1080}, "size": [2, 2], "frames": 1, "seconds": 1.0, "tiled": False, "warnings": [],
    "made_by": "seedvr2d",
}  # fmt: skip
EXIFTOOL = [{"SourceFile": "a.png", "File:FileSize": 3}]


@pytest.mark.parametrize(
    ("companion", "owner"),
    [
        ("clip.srt", "clip.mp4"), ("clip.mp4.srt", "clip.mp4"), ("clip.en.srt", "clip.mp4"),
        ("clip.en.forced.ASS", "clip.mp4"), ("CLIP.NFO", "clip.mp4"), ("clip.info.json", "clip.mp4"),
        ("clip.mp4.supplemental-metadata.json", "clip.mp4"), ("other.v2.idx", "other.v2.mkv"),
        ("clip2.srt", ""), ("clip", ""), ("srt", ""), ("mp4.srt", ""),
    ],
)  # fmt: skip
def test_whose_a_companion_is(companion: str, owner: str) -> None:
    assert Family(["clip.mp4", "other.v2.mkv", "other.mkv"]).owners(companion) == ({owner} if owner else set())


def test_a_companion_may_belong_to_two() -> None:
    family = Family(["clip.mp4", "clip.mkv"])
    assert family.owners("clip.txt") == {"clip.mp4", "clip.mkv"}
    assert family.owners("clip.mkv.txt") == {"clip.mkv"}


def test_it_is_called_after_its_clip() -> None:
    assert renamed("clip.en.srt", "clip.mp4", "clip (2).mp4") == "clip (2).en.srt"
    assert renamed("Clip.MP4.srt", "clip.mp4", "clip (2).mp4") == "clip (2).mp4.srt"


@pytest.mark.parametrize("content", [TAKEOUT, DOWNLOAD, RESULT, EXIFTOOL, [], 7, "text", {"title": "x"}])
def test_a_foreign_json_beside_a_picture_stops_nothing(start: Start, content: object) -> None:
    running = start()
    put(running.inbox / "a.png.json", json.dumps(content))
    picture(running.inbox / "a.png")
    eventually((running.inbox / "_done" / "a.png.json").exists)
    (job,) = eventually(running.history)
    assert job.state is State.COMPLETED
    assert job.draft.options["resolution"] == 1080
    assert not list(running.inbox.glob("*.txt"))


def test_a_foreign_json_and_a_sidecar_are_no_two_sidecars(start: Start) -> None:
    running = start()
    put(running.inbox / "a.png.json", json.dumps(TAKEOUT))
    put(running.inbox / "a.png.toml", "resolution = 480")
    picture(running.inbox / "a.png")
    (job,) = eventually(running.history)
    assert job.draft.options["resolution"] == 480
    assert {each.name for each in (running.inbox / "_done").iterdir()} == {"a.png", "a.png.json", "a.png.toml"}


@pytest.mark.parametrize(
    "text", ['{"resolution": 480, "colour": "none"}', '{"resolutoin": 480}', '{"seed": 1, "resolution": 480, "x": 1}']
)
def test_a_sidecar_with_a_slip_stays_an_error(start: Start, text: str) -> None:
    running = start()
    put(running.inbox / "a.png.json", text)
    picture(running.inbox / "a.png")
    eventually((running.inbox / "a.png.error.txt").exists)
    assert "There is no parameter" in (running.inbox / "a.png.error.txt").read_text()
    assert (running.inbox / "a.png").exists()


def test_all_that_belongs_to_a_clip_goes_with_it_and_the_rest_stays(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    running = start()
    mine = ("a.srt", "a.en.srt", "a.png.vtt", "a.nfo", "a.AAE", "a.png.xmp", "a.txt")
    others = ("alone.srt", "ab.txt", "preset.toml")
    for name in mine:
        put(running.inbox / "sub" / name)
    for name in others:
        put(running.inbox / "sub" / name, "")
    picture(running.inbox / "sub" / "a.png")
    eventually(running.history)
    eventually(lambda: caplog.text.count("belongs to no picture or video") == 2)
    assert {each.name for each in (running.inbox / "_done" / "sub").iterdir()} == {"a.png", *mine}
    assert {each.name for each in (running.inbox / "sub").iterdir()} == set(others)
    assert not (running.inbox / "_failed").exists()
    # Its clip comes at last.
    picture(running.inbox / "sub" / "alone.png")
    eventually((running.inbox / "_done" / "sub" / "alone.srt").exists)
    assert caplog.text.count("'sub/alone.srt' belongs to no picture or video") == 1


def test_it_goes_to_failed_with_a_clip_that_fails(start: Start) -> None:
    running = start()
    put(running.inbox / "a.srt")
    put(running.inbox / "a.mp4", "no video")
    put(running.inbox / "b.nfo")
    running.executor.errors.append(ValueError("a bug"))
    picture(running.inbox / "b.png")
    eventually((running.inbox / "_failed" / "a.mp4.error.txt").exists)
    eventually((running.inbox / "_failed" / "b.png.error.txt").exists)
    assert (running.inbox / "_failed" / "a.srt").exists()
    assert (running.inbox / "_failed" / "b.nfo").exists()


def test_what_belongs_to_two_waits_for_the_last(start: Start) -> None:
    running = held(start)
    for name in ("a.png", "a.webp"):
        picture(running.inbox / name)
    put(running.inbox / "a.txt")
    put(running.inbox / "a.png.txt")
    waiting(running, 2)
    first, second = sorted(running.service.context.queue.waiting(), key=lambda job: job.draft.source)
    running.post(f"/api/tasks/{first.id}/cancel")
    eventually((running.inbox / "_failed" / "a.png").exists)
    assert (running.inbox / "_failed" / "a.png.txt").exists()
    assert (running.inbox / "a.txt").exists()
    running.post(f"/api/tasks/{second.id}/cancel")
    eventually((running.inbox / "_failed" / "a.txt").exists)


def test_delete_deletes_the_source_and_its_parameters_only(start: Start) -> None:
    running = start(SEEDVR2_INBOX_AFTER="delete")
    put(running.inbox / "a.png.toml", "seed = 1")
    put(running.inbox / "a.png.json", json.dumps(TAKEOUT))
    put(running.inbox / "a.srt")
    picture(running.inbox / "a.png")
    eventually(running.history)
    assert {each.name for each in (running.inbox / "_done").iterdir()} == {"a.png.json", "a.srt"}
    assert {each.name for each in running.inbox.iterdir()} == {"_done"}


def test_a_second_clip_of_a_name_takes_its_own_along(start: Start) -> None:
    running = start()
    for count in (1, 2):
        put(running.inbox / "a.en.srt", str(count))
        picture(running.inbox / "a.png")
        eventually(lambda count=count: len(running.history()) == count)
    assert (running.inbox / "_done" / "a.en.srt").read_text() == "1"
    assert (running.inbox / "_done" / "a (2).en.srt").read_text() == "2"


def test_a_crash_between_clip_and_companions_is_made_good(tmp_path: Path) -> None:
    for name in ("_failed/bad.mp4", "bad.srt", "bad.mp4.nfo", "other.srt"):
        put(tmp_path / name)
    clear_strays(tmp_path)
    assert {each.name for each in (tmp_path / "_failed").iterdir()} == {
        "bad.mp4", "bad.srt", "bad.mp4.nfo", "bad.mp4.error.txt"
    }  # fmt: skip
    assert (tmp_path / "other.srt").exists()
