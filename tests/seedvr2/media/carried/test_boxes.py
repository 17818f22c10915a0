"""The boxes of real files are found, and no number in a bad one leads astray."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from seedvr2.media.carried.boxes import Box, payload, walk

CASES = Path(__file__).parents[3] / "fixtures" / "cases"


def box(kind: bytes, inner: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack(">I4s", len(inner) + 8 if size is None else size, kind) + inner


def test_what_is_deep_in_a_sample_description_is_found() -> None:
    with (CASES / "12_spherical.mp4").open("rb") as file:
        found = {box.path: box for box in walk(file)}
        entry = ("moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1")
        stereo, projection = found[(*entry, "st3d")], found[(*entry, "sv3d", "proj", "equi")]
        assert payload(file, stereo) == b"\0\0\0\0\1"
        assert (stereo.track, stereo.handler) == (1, "vide")
        assert projection.size == 20


def test_both_kinds_of_meta_are_entered() -> None:
    with (CASES / "11_phone_keys.mov").open("rb") as file:
        found = {box.path: box for box in walk(file)}
        assert b"com.apple.quicktime.make" in payload(file, found["moov", "udta", "meta", "keys"])
        assert ("moov", "trak", "mdia", "minf", "stbl", "stsd", "mp4a", "wave") in found
    plain = io.BytesIO(box(b"moov", box(b"meta", box(b"hdlr", bytes(25)) + box(b"keys", bytes(8)))))
    assert ("moov", "meta", "keys") in {found.path for found in walk(plain)}


@pytest.mark.parametrize("version", [0, 1, 2])
def test_sound_entries_of_quicktime_are_longer(version: int) -> None:
    entry = struct.pack(">8xH", version) + bytes(18 + {0: 0, 1: 16, 2: 36}[version]) + box(b"esds", b"abc")
    handler = box(b"hdlr", b"\0\0\0\0mhlrsoun")
    table = box(b"minf", box(b"stbl", box(b"stsd", bytes(8) + box(b"mp4a", entry))))
    file = io.BytesIO(box(b"moov", box(b"trak", box(b"mdia", handler + table))))
    (found,) = (each for each in walk(file) if each.kind == "esds")
    assert payload(file, found) == b"abc"


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        (box(b"moov", box(b"udta", b"", 2**31), 2**32 - 1), [8, 0]),
        (box(b"free", bytes(4), 0), [4]),
        (struct.pack(">I4sQ", 1, b"mdat", 2**63) + bytes(5), [5]),
        (struct.pack(">I4sQ", 1, b"mdat", 3), []),
        (box(b"moov", b"", 7), []),
        (box(b"moov")[:6], []),
        (b"", []),
    ],
)
def test_sizes_are_not_believed(data: bytes, sizes: list[int]) -> None:
    assert [found.size for found in walk(io.BytesIO(data))] == sizes


def test_depth_and_number_are_bounded() -> None:
    nested = b""
    for _ in range(500):
        nested = box(b"udta", nested)
    assert 8 <= max(len(found.path) for found in walk(io.BytesIO(nested))) <= 20
    assert len(list(walk(io.BytesIO(box(b"free") * 30_000)))) == 20_000


def test_a_payload_ends_with_the_file() -> None:
    assert payload(io.BytesIO(b"abcdef"), Box(("free",), 4, 100)) == b"ef"
    assert payload(io.BytesIO(b"abcdef"), Box(("free",), 0, 6), 2) == b"ab"
