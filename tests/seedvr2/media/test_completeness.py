"""Files that say themselves that they are not all there."""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from seedvr2.media import open_source
from seedvr2.media.completeness import incomplete

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
# Suffix, video codec, options of the container.
CONTAINERS: list[tuple[str, str, dict[str, str]]] = [
    ("mp4", "libx264", {"movflags": "faststart"}),
    ("mp4", "libx264", {}),
    ("mp4", "libx264", FRAGMENTED),
    ("mov", "mjpeg", {"movflags": "faststart"}),
    ("3gp", "libx264", {}),
    ("mkv", "libx264", {}),
    ("mkv", "libx264", {"live": "1"}),
    ("webm", "libvpx-vp9", {"cluster_time_limit": "100"}),
    ("avi", "mpeg4", {}),
    ("ts", "libx264", {}),
    ("m2ts", "libx264", {}),
    ("asf", "wmv2", {}),
    ("flv", "libx264", {}),
    ("flv", "libx264", {"flvflags": "no_metadata"}),
    ("ogv", "libvpx", {}),
    ("mxf", "mpeg2video", {}),
]
PICTURES: list[tuple[str, dict[str, Any]]] = [
    ("png", {}),
    ("gif", {}),
    ("gif", {"save_all": True}),
    ("png", {"save_all": True}),
    ("webp", {"save_all": True}),
    ("webp", {}),
    ("tiff", {}),
    ("tiff", {"compression": "tiff_lzw"}),
    ("tiff", {"big_tiff": True, "save_all": True}),
    ("avif", {}),
    ("jp2", {}),
    ("j2k", {"no_jp2": True}),
]


def clip(path: Path, codec: str, options: dict[str, str], frames: int = 20, tracks: int = 1) -> Path:
    """A small video."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w", container_options=options) as container:
        streams: list[Any] = [container.add_stream(codec, rate=25) for _ in range(tracks)]
        for stream in streams:
            stream.width, stream.height = 96, 64
            stream.pix_fmt = {"mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            stream.codec_context.gop_size = 5
        for index in range(frames):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (64, 96, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def picture(path: Path, options: dict[str, Any]) -> Path:
    rng = np.random.default_rng(2)
    images = [Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(3)]
    more = {"append_images": images[1:]} if options.get("save_all") else {}
    images[0].save(path, **options, **more)
    return path


def cuts(whole: Path) -> list[int]:
    """Lengths at which no packet of a transport stream ends."""
    size = whole.stat().st_size
    shares = [size * percent // 100 for percent in (12, 30, 55, 80, 97)]
    return [share + (share % 188 == 0 or share % 192 == 0) for share in shares]


def said_of(content: bytes, tmp_path: Path) -> str:
    file = tmp_path / "half"
    file.write_bytes(content)
    return incomplete(file)


@pytest.mark.parametrize(("suffix", "codec", "options"), CONTAINERS, ids=lambda value: str(value))
def test_a_video_is_whole_and_each_part_of_it_is_not(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    whole = clip(tmp_path / f"clip.{suffix}", codec, options)
    assert incomplete(whole) == ""
    content = whole.read_bytes()
    for length in cuts(whole):
        assert said_of(content[:length], tmp_path).startswith("The file is incomplete: "), length


@pytest.mark.parametrize(("suffix", "options"), PICTURES, ids=lambda value: str(value))
def test_a_picture_is_whole_and_each_part_of_it_is_not(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    whole = picture(tmp_path / f"photo.{suffix}", options)
    assert incomplete(whole) == ""
    content = whole.read_bytes()
    for length in cuts(whole):
        assert said_of(content[:length], tmp_path).startswith("The file is incomplete: "), length


def test_the_sentence_has_both_numbers(tmp_path: Path) -> None:
    whole = clip(tmp_path / "clip.mp4", "libx264", {"movflags": "faststart"})
    content = whole.read_bytes()
    said = said_of(content[: len(content) // 2], tmp_path)
    assert said == f"The file is incomplete: it says that it has at least {len(content)} bytes, and it has " + (
        f"{len(content) // 2}."
    )


def test_a_result_of_half_a_video_has_a_warning_of_that(tmp_path: Path) -> None:
    whole = clip(tmp_path / "clip.mp4", "libx264", {"movflags": "faststart"})
    with open_source(whole) as source:
        assert source.info.incomplete == ""
        assert list(source.warnings) == []
    half = tmp_path / "half.mp4"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 55 // 100])
    with open_source(half) as source:
        assert 0 < len(list(source.frames())) < 20
        assert source.info.incomplete in source.warnings
        assert source.info.incomplete.startswith("The file is incomplete: it says")


def test_a_copy_whose_room_was_set_aside_first_is_not_whole(tmp_path: Path) -> None:
    content = clip(tmp_path / "clip.mp4", "libx264", {}).read_bytes()
    assert "zeros" in said_of(content[:40] + bytes(len(content) - 40), tmp_path)


@pytest.mark.parametrize("behind", [bytes(4), bytes(5000), b"SEFT" * 9, bytes(range(33, 240))])
def test_what_others_put_behind_a_whole_video_is_no_cut(tmp_path: Path, behind: bytes) -> None:
    content = clip(tmp_path / "clip.mp4", "libx264", {}).read_bytes()
    assert said_of(content + behind, tmp_path) == ""
    content = clip(tmp_path / "clip.mkv", "libx264", {}).read_bytes()
    assert said_of(content + behind, tmp_path) == ""


def test_media_data_without_a_size_must_reach_the_last_chunk_of_the_index(tmp_path: Path) -> None:
    content = bytearray(clip(tmp_path / "clip.mov", "mjpeg", {"movflags": "faststart"}, tracks=2).read_bytes())
    place = content.index(b"mdat") - 4
    content[place : place + 4] = bytes(4)
    assert said_of(bytes(content), tmp_path) == ""
    assert "at least" in said_of(bytes(content[: len(content) // 2]), tmp_path)


def test_a_long_avi_has_more_than_one_part(tmp_path: Path) -> None:
    def part(kind: bytes, length: int) -> bytes:
        return b"RIFF" + struct.pack("<I", length + 4) + kind + bytes(length)

    whole = part(b"AVI ", 3000) + part(b"AVIX", 2000)
    assert said_of(whole, tmp_path) == ""
    assert said_of(whole[:4000], tmp_path) == (
        f"The file is incomplete: it says that it has at least {len(whole)} bytes, and it has 4000."
    )


def test_a_stream_of_unknown_length_is_taken_as_it_is(tmp_path: Path) -> None:
    endless = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"AVI " + bytes(100)
    assert said_of(endless, tmp_path) == ""
    broadcast = bytearray(clip(tmp_path / "clip.asf", "wmv2", {}).read_bytes())
    properties = broadcast.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    broadcast[properties + 40 : properties + 48] = b"\xff" * 8
    assert "at least" in said_of(bytes(broadcast), tmp_path)
    broadcast[properties + 88] |= 1
    assert said_of(bytes(broadcast), tmp_path) == ""


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "ppm"])
def test_kinds_that_say_nothing_are_left_to_their_decoders(tmp_path: Path, suffix: str) -> None:
    content = picture(tmp_path / f"photo.{suffix}", {}).read_bytes()
    assert said_of(content[: len(content) // 2], tmp_path) == ""


def test_numbers_in_files_are_not_believed(tmp_path: Path) -> None:
    """Random damage to heads ends neither in an error nor in a long search."""
    rng = np.random.default_rng(3)
    kinds = [clip(tmp_path / f"clip{n}.{kind[0]}", *kind[1:], frames=3) for n, kind in enumerate(CONTAINERS)]
    kinds += [picture(tmp_path / f"photo{n}.{suffix}", options) for n, (suffix, options) in enumerate(PICTURES)]
    for whole in kinds:
        content = whole.read_bytes()
        for _ in range(40):
            damaged = bytearray(content)
            for _ in range(6):
                damaged[int(rng.integers(8, min(len(damaged), 600)))] = int(rng.choice([0, 1, 0x7F, 0xFF]))
            said = said_of(bytes(damaged), tmp_path)
            assert said == "" or said.startswith("The file is incomplete: ")


def test_only_a_little_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, pread = [], os.pread

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        read.append(count)
        return pread(descriptor, count, offset)

    whole = clip(tmp_path / "clip.mp4", "libx264", {})
    with whole.open("ab") as file:
        file.write(struct.pack(">I", 1 << 24) + b"free" + bytes((1 << 24) - 8))
    monkeypatch.setattr(os, "pread", counted)
    assert incomplete(whole) == ""
    assert sum(read) < 4096


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert said_of(b"", tmp_path) == ""
    assert said_of(io.BytesIO(b"\x1a\x45\xdf\xa3").getvalue(), tmp_path) == ""
