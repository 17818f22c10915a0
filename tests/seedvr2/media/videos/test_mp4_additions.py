"""Boxes come into a finished file, and nothing else in it moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from seedvr2.media.carried.boxes import payload, walk
from seedvr2.media.videos.mp4_additions import Mp4Additions, box, split
from tests.seedvr2.media import clips
from tests.seedvr2.media.videos.written import written

MARK = b"room for what comes here"


def found(path: Path) -> dict[tuple[Any, ...], bytes]:
    with path.open("rb") as file:
        return {(*each.path, each.track): payload(file, each) for each in walk(file)}


@pytest.mark.parametrize("muxer", ["mp4", "mov"])
def test_boxes_are_where_they_belong(tmp_path: Path, muxer: str) -> None:
    additions = Mp4Additions(muxer)
    additions.add("moov", box("aaaa", b"1"))
    additions.add("udta", box("bbbb", b"2" * 5000))
    additions.add("trak", box("cccc", b"3"), 2)
    additions.add("entry", box("dddd", b"4"), 1)
    additions.add("file", box("eeee", b"5"))
    boxes = found(written(tmp_path / f"out.{muxer}", additions, {"title": "T"}))
    assert boxes["moov", "aaaa", 0] == b"1"
    assert boxes["moov", "udta", "bbbb", 0] == b"2" * 5000
    assert boxes["moov", "trak", "cccc", 2] == b"3"
    assert boxes["moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1", "dddd", 1] == b"4"
    assert boxes["eeee", 0] == b"5"
    assert MARK not in (tmp_path / f"out.{muxer}").read_bytes()
    with av.open(str(tmp_path / f"out.{muxer}")) as container:
        assert container.metadata["title"] == "T"
    for stream in (0, 1):
        before, after = clips.packets(tmp_path / "clip.mp4", stream), clips.packets(tmp_path / f"out.{muxer}", stream)
        assert [bytes(packet) for packet in before] == [bytes(packet) for packet in after]


@pytest.mark.parametrize("size", [0, 1, 50, 110, 111, 112, 113, 119, 120, 121, 200])
def test_boxes_of_any_size_fit(tmp_path: Path, size: int) -> None:
    additions = Mp4Additions("mp4")
    additions.add("moov", box("aaaa", bytes(size)))
    assert found(written(tmp_path / "out.mp4", additions, {}))["moov", "aaaa", 0] == bytes(size)


def test_nothing_to_add_changes_nothing(tmp_path: Path) -> None:
    tags: dict[str, str] = {}
    additions = Mp4Additions("mp4")
    additions.reserve(tags)
    additions.fill(tmp_path / "there is none")
    assert tags == {}


def test_a_tag_makes_way_where_all_are_taken() -> None:
    additions = Mp4Additions("mp4")
    taken = dict.fromkeys(("NETWORK", "synopsis", "show", "grouping"), "x")
    assert additions.room_tag({"title": "T"}) == "network"
    assert additions.room_tag({"Network": "N"}) == "synopsis"
    assert additions.room_tag(taken) == "network"
    additions.add("moov", box("aaaa", b""))
    additions.reserve(taken)
    assert [name for name in taken if name.lower() == "network"] == ["network"]


def test_a_file_without_the_room_is_refused(tmp_path: Path) -> None:
    additions = Mp4Additions("mp4")
    additions.add("moov", box("aaaa", b"1"))
    additions.reserve({})
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(32, 32)])
    before = clip.read_bytes()
    with pytest.raises(ValueError, match="do not fit"):
        additions.fill(clip)
    assert clip.read_bytes() == before


@pytest.mark.parametrize("data", [b"\0\0\0\7free", b"\0\0\0\x20free", b"\0\0"])
def test_what_are_no_boxes_is_not_split(data: bytes) -> None:
    with pytest.raises(ValueError, match="not boxes"):
        split(data)
