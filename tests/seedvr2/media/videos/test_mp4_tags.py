"""Keys and user data of real mp4 files, with their types."""

from __future__ import annotations

import struct
from pathlib import Path

from seedvr2.media.videos.mp4_additions import MOST, box, split
from seedvr2.media.videos.mp4_tags import Key, keys_box, merged, read_extensions, read_keys, read_user_data, text_keys

CASE = Path(__file__).parents[3] / "fixtures" / "cases" / "11_phone_keys.mov"
RATE = box("data", struct.pack(">IIf", 23, 0, 240.0))


def file_of(path: Path, *inner: bytes) -> Path:
    path.write_bytes(box("ftyp", b"mp42") + box("moov", b"".join(inner)))
    return path


def test_keys_are_read_and_written_with_their_types(tmp_path: Path) -> None:
    keys = [Key("com.android.capture.fps", RATE), Key("com.apple.quicktime.make", box("data", bytes(8) + b"A"))]
    assert read_keys(file_of(tmp_path / "a.mp4", keys_box(keys))) == keys
    names = [key.name.removeprefix("com.apple.quicktime.") for key in read_keys(CASE)]
    assert names == ["location.ISO6709", "creationdate", "make", "model", "content.identifier"]


def test_keys_of_the_old_file_and_those_of_the_muxer_are_left(tmp_path: Path) -> None:
    keys = [Key(name, RATE) for name in ("major_brand", "encoder", "title", "kept")]
    assert [key.name for key in read_keys(file_of(tmp_path / "a.mp4", keys_box(keys)))] == ["kept"]
    assert [key.name for key in text_keys({"title": "T", "DIRECTOR": "D", "network": "N"}, also="")] == ["DIRECTOR"]
    assert [key.name for key in text_keys({"network": "N"}, also="network")] == ["network"]


def test_the_source_knows_the_type_better_than_the_text() -> None:
    both = merged(
        [Key("com.android.capture.fps", RATE)], text_keys({"com.android.capture.fps": "240", "x": "y"}, also="")
    )
    assert {key.name: key.values for key in both}["com.android.capture.fps"] == RATE
    assert len(both) == 2


def test_broken_keys_are_none(tmp_path: Path) -> None:
    good = keys_box([Key("a", RATE)])
    for place in range(8, len(good)):
        broken = good[:place] + b"\xff" + good[place + 1 :]
        read_keys(file_of(tmp_path / "a.mp4", broken))
    number = good.replace(struct.pack(">II", len(RATE) + 8, 1), struct.pack(">II", len(RATE) + 8, 7))
    assert read_keys(file_of(tmp_path / "a.mp4", number)) == []


def test_user_data_is_read_without_what_is_written_anew(tmp_path: Path) -> None:
    items = (
        box("SDLN", b"abc") + box("meta", bytes(12)) + box("\xa9swr", b"\0\4\0\0Lavf") + box("\xa9xyz", b"\0\4\0\0+1-2")
    )
    assert read_user_data(file_of(tmp_path / "a.mp4", box("udta", items))) == [
        ("SDLN", b"abc"),
        ("\xa9xyz", b"\0\4\0\0+1-2"),
    ]


def test_no_more_is_read_than_goes_into_a_head(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.mp4", *[box("uuid", bytes(MOST // 2 + 1))] * 5)
    assert sum(len(data) for *_, data in read_extensions(path)) == MOST


def test_licences_are_no_data(tmp_path: Path) -> None:
    licence = box("uuid", bytes.fromhex("d08a4f1810f34a82b6c832d8aba183d3"))
    assert read_extensions(file_of(tmp_path / "a.mp4", licence, box("uuid", b"x" * 16))) == [
        ("moov", "uuid", b"x" * 16)
    ]


def test_without_keys_there_is_no_box() -> None:
    assert keys_box([]) == b""
    assert split(keys_box([Key("a", RATE)]))[0][0] == "meta"
