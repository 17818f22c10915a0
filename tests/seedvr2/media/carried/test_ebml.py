"""The elements of real files are found, and no number in a bad one leads astray."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from seedvr2.media.carried.ebml import Element, number, payload, real, walk

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
HEADER = b"\x1a\x45\xdf\xa3\x80"
SEGMENT, CLUSTER, TRACKS = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b"
UNKNOWN = b"\x01" + b"\xff" * 7


def element(identity: bytes, data: bytes) -> bytes:
    return identity + struct.pack(">Q", len(data) | 1 << 56) + data


def names(data: bytes) -> list[str]:
    return [found.name for found in walk(io.BytesIO(data))]


def test_tracks_that_an_editor_put_behind_the_clusters_are_found() -> None:
    with (CASES / "13_mkv_pixel_crop.mkv").open("rb") as file:
        found = {each.name: number(payload(file, each)) for each in walk(file) if each.path[-2:-1] == ("Video",)}
        assert (found["PixelWidth"], found["PixelHeight"]) == (96, 64)
        assert (found["PixelCropTop"], found["PixelCropBottom"]) == (8, 8)


def test_tracks_are_counted() -> None:
    with (CASES / "46_ass_font_chapters.mkv").open("rb") as file:
        codecs = {each.track: payload(file, each) for each in walk(file) if each.name == "CodecID"}
    assert codecs == {1: b"V_MPEG4/ISO/AVC", 2: b"A_FLAC", 3: b"S_TEXT/ASS"}


def test_a_live_recording_has_no_sizes() -> None:
    tracks = element(TRACKS, element(b"\xae", element(b"\x53\xb8", b"\3")))
    data = HEADER + SEGMENT + UNKNOWN + tracks + CLUSTER + UNKNOWN + element(b"\xec", b"")
    assert names(data) == ["Segment", "Tracks", "TrackEntry", "StereoMode"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\0\x18ftyp", HEADER[:3], HEADER, HEADER + b"\0" * 20, HEADER + SEGMENT, HEADER + SEGMENT + b"\0"],
)
def test_what_is_something_else_or_cut_off_has_none(data: bytes) -> None:
    assert names(data) == []


def test_sizes_are_not_believed() -> None:
    data = HEADER + SEGMENT + b"\x08" + b"\xff" * 4 + b"\xec\x4f\xffabc"
    found = list(walk(io.BytesIO(data)))
    assert [each.size for each in found] == [6, 3]
    assert payload(io.BytesIO(data), found[1]) == b"abc"
    assert payload(io.BytesIO(data), Element(("Void",), len(data) - 1, 1000)) == b"c"


def test_a_directory_that_points_to_itself_ends() -> None:
    for place in (0, 40, 2**40):
        seek = element(b"\x53\xab", TRACKS) + element(b"\x53\xac", struct.pack(">Q", place))
        inner = element(b"\x11\x4d\x9b\x74", element(b"\x4d\xbb", seek)) + element(CLUSTER, bytes(40))
        assert len(names(HEADER + element(SEGMENT, inner))) < 10


def test_depth_and_number_are_bounded() -> None:
    nested = b""
    for _ in range(500):
        nested = element(b"\xae", nested)
    assert len(names(HEADER + nested)) <= 12
    assert len(names(HEADER + element(SEGMENT, element(b"\xec", b"") * 30_000))) == 20_000


def test_numbers() -> None:
    assert (number(b""), number(b"\1\2"), real(struct.pack(">f", 1.5)), real(struct.pack(">d", -2)), real(b"")) == (
        0,
        258,
        1.5,
        -2,
        0,
    )
