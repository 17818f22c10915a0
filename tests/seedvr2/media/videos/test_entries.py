"""Reading from a place within a video gives the frames that reading from its beginning does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seedvr2.media import open_source
from seedvr2.media.entry import Entry
from seedvr2.media.videos import entries as module
from seedvr2.media.videos.decoded_frames import DecodedFrames
from seedvr2.media.videos.entries import way_in
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.segments.shots import scan
from tests.seedvr2.media.clips import NTSC, write_video
from tests.seedvr2.segments.scenes import pixels, scene

FRAMES = 72
SHORT = {"g": "8"}
X264 = {"preset": "veryfast", "crf": "25", "bf": "3", "g": "8"}
# By name: the encoder, its options, and whether the file can be entered.
KINDS: dict[str, tuple[str, Mapping[str, str], bool]] = {
    "h264.mp4": ("libx264", X264, True),
    "h264.mov": ("libx264", X264, True),
    "h264.mkv": ("libx264", X264, True),
    "open-gop.mp4": ("libx264", X264 | {"x264-params": "open-gop=1:keyint=8"}, True),
    "open-gop.mkv": ("libx264", X264 | {"x264-params": "open-gop=1:keyint=8"}, True),
    # Pictures are renewed stripe by stripe, so that no frame is whole by itself.
    "refresh.mkv": ("libx264", X264 | {"bf": "0", "x264-params": "intra-refresh=1:keyint=8"}, False),
    "hevc.mp4": (
        "libx265",
        {"preset": "ultrafast", "x265-params": "keyint=8:open-gop=1:bframes=3:log-level=none"},
        True,
    ),
    "hevc.mkv": ("libx265", {"preset": "ultrafast", "x265-params": "keyint=8:log-level=none"}, True),
    "mpeg4.mp4": ("mpeg4", SHORT, True),
    "mpeg2.mkv": ("mpeg2video", SHORT | {"bf": "2"}, True),
    "vp8.webm": ("libvpx", SHORT | {"deadline": "realtime", "cpu-used": "8"}, True),
    "vp9.webm": ("libvpx-vp9", SHORT | {"deadline": "realtime", "cpu-used": "8"}, True),
    "ffv1.mkv": ("ffv1", SHORT, True),
    "prores.mov": ("prores_ks", {}, True),
    "mjpeg.mov": ("mjpeg", {}, True),
    "h264.ts": ("libx264", X264, False),
    "mpeg4.avi": ("mpeg4", SHORT, False),
    "mpeg2.mpg": ("mpeg2video", SHORT | {"bf": "2"}, False),
    "h264.flv": ("libx264", X264, False),
}
LAYOUTS = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_APART", 12)


def frames_of(source: VideoSource, first: int = 0) -> list[tuple[Any, ...]]:
    return [(f.pts, f.duration, hashlib.sha256(f.image).hexdigest()) for f in source.frames(first)]


def opened(path: Path) -> VideoSource:
    source = open_source(path)
    assert isinstance(source, VideoSource)
    return source


def entered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Notes of each attempt whether it succeeded."""
    noted: list[bool] = []
    enter = DecodedFrames.enter

    def noting(self: DecodedFrames, begin: Entry, proof: Entry) -> bool:
        noted.append(enter(self, begin, proof))
        return noted[-1]

    monkeypatch.setattr(DecodedFrames, "enter", noting)
    return noted


@pytest.mark.parametrize("kind", KINDS)
def test_frames_behind_an_entry_are_the_same_to_the_bit(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, options, enterable = KINDS[kind]
    path = tmp_path / kind
    write_video(
        path, list(pixels(scene(1, FRAMES, step=1))), codec=codec, options=options,
        layout=LAYOUTS.get(codec, "yuv420p"),
    )  # fmt: skip
    with opened(path) as source:
        whole = frames_of(source)
        assert scan(source).frames == len(whole) >= FRAMES - 1
        tried = entered(monkeypatch)
        for first in (1, 13, 30, 41, 60, 71):
            assert frames_of(source, first) == whole[first:]
        assert source.warnings == ()
    assert tried == ([True] * 3 if enterable and tried[:1] == [True] and len(tried) == 3 else tried)
    assert any(tried) is enterable


def test_times_that_vary_and_begin_late_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [40 + 3 * number + number % 2 for number in range(FRAMES)]
    for suffix in ("mp4", "mkv"):
        path = tmp_path / f"varying.{suffix}"
        write_video(path, list(pixels(scene(1, FRAMES, step=1))), options=X264, times=times, time_base=1 / (NTSC * 4))
        with opened(path) as source:
            whole = frames_of(source)
            scan(source)
            tried = entered(monkeypatch)
            assert frames_of(source, 50) == whole[50:] and tried == [True]


def test_a_place_that_is_not_what_was_noted_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4", list(pixels(scene(1, FRAMES, step=1))), options=X264)
    with opened(path) as source:
        whole = frames_of(source)
        good = scan(source).entries
        tried = entered(monkeypatch)
        for wrong in (
            [Entry(entry.number, entry.pts, entry.check + 1) for entry in good],
            [Entry(entry.number, entry.pts + 1, entry.check) for entry in good],
            [Entry(entry.number + (entry.number > 40), entry.pts, entry.check) for entry in good],
        ):
            source.entries = tuple(wrong)
            assert frames_of(source, 60) == whole[60:]
    assert tried == [False] * 3


def test_interlaced_frames_are_read_from_the_beginning(tmp_path: Path) -> None:
    options = {"g": "8", "qmax": "4", "flags": "+ildct+ilme"}
    frames = list(pixels(scene(1, FRAMES, step=1)))
    path = write_video(tmp_path / "interlaced.mkv", frames, codec="mpeg2video", layout="yuv422p", options=options)
    with opened(path) as source:
        assert scan(source).entries == ()


def test_the_way_in_leads_past_a_place_that_proves_it() -> None:
    entries = [Entry(number, number, 0) for number in (0, 10, 20, 30)]
    assert [way_in(entries, first) for first in (5, 15, 25)] == [None, None, (entries[1], entries[2])]
    assert way_in(entries, 30) == (entries[2], entries[3])
