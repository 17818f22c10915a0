"""JPEG pictures of one size in a row are a video; one with anything else behind it is a picture."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from seedvr2.media import open_source, probe
from tests.seedvr2.media import clips


def jpeg(index: int, width: int = 96, height: int = 64, *, progressive: bool = False) -> bytes:
    held = io.BytesIO()
    Image.fromarray(clips.picture(width, height, index)).save(held, "JPEG", progressive=progressive)
    return held.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("count", [2, 10])
def test_row_of_pictures_is_a_video(tmp_path: Path, count: int, progressive: bool) -> None:
    path = tmp_path / "clip.mjpeg"
    path.write_bytes(b"".join(jpeg(index, progressive=progressive) for index in range(count)))
    with open_source(path) as source:
        frames = list(source.frames())
    assert (source.info.kind, len(frames), source.info.frames, source.info.fps) == ("video", count, count, 25)
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx([i / 25 for i in range(count)])
    assert source.warnings == ("The file holds pictures without times; 25 a second were assumed.",)


@pytest.mark.parametrize(
    "behind",
    [
        b"",
        b"\0" * 100,
        b"\xff\xd8junk" * 50,
        b"\0\0\0\x18ftypmp42" + bytes(200),
        jpeg(1, 48, 32),
        jpeg(1)[:-40],
        jpeg(1) + b"more",
    ],
)
def test_picture_with_something_behind_it_stays_one(tmp_path: Path, behind: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(0) + behind)
    assert probe(tmp_path / "photo.jpg").kind == "picture"


def test_several_pictures_of_a_camera_stay_a_picture(tmp_path: Path) -> None:
    left, right = (Image.fromarray(clips.picture(96, 64, index)) for index in (0, 1))
    left.save(tmp_path / "both.mpo", "MPO", save_all=True, append_images=[right])
    assert probe(tmp_path / "both.mpo").kind == "picture"
