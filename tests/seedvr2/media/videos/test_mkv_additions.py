"""Elements come into the tracks of a finished file, whose checksum stays true."""

from __future__ import annotations

import zlib
from pathlib import Path

import av
import pytest

from seedvr2.media.carried.ebml import payload, walk
from seedvr2.media.videos.mkv_additions import PROJECTION, MkvAdditions, element, split
from tests.seedvr2.media import clips
from tests.seedvr2.media.videos.written import written


@pytest.mark.parametrize("size", [0, 1, 20, 100, 126, 127, 128, 5000])
@pytest.mark.parametrize("title", ["", "A title"])
def test_elements_of_any_size_fit(tmp_path: Path, size: int, title: str) -> None:
    additions = MkvAdditions()
    additions.add_video(1, element(PROJECTION, element(b"\x76\x72", bytes(size))))
    path = written(tmp_path / "out.mkv", additions, stream_tags={0: {"title": title}} if title else None)
    with path.open("rb") as file:
        elements = {each.name: each for each in walk(file)}
        assert elements["ProjectionPrivate"].size == size
        assert elements["ProjectionPrivate"].track == 1
        (checksum, value), *_ = split(payload(file, elements["Tracks"]))
        body = payload(file, elements["Tracks"])[6:]
    assert checksum == b"\xbf"
    assert int.from_bytes(value, "little") == zlib.crc32(body)
    with av.open(str(path)) as container:
        assert container.streams.video[0].metadata.get("title", "") == title
        assert container.streams.audio[0].codec_context.name == "aac"
    assert b"room for what comes here" not in path.read_bytes()
    for stream in (0, 1):
        before, after = clips.packets(tmp_path / "clip.mp4", stream), clips.packets(path, stream)
        assert [bytes(packet) for packet in before] == [bytes(packet) for packet in after]


def test_a_file_without_the_room_is_refused(tmp_path: Path) -> None:
    additions = MkvAdditions()
    additions.add_video(1, bytes(100))
    additions.reserve({})
    clip = clips.write_video(tmp_path / "clip.mkv", [clips.picture(32, 32)])
    before = clip.read_bytes()
    with pytest.raises(ValueError, match="do not fit"):
        additions.fill(clip)
    assert clip.read_bytes() == before


def test_numbers_of_sizes_are_the_shortest() -> None:
    assert element(b"\xec", bytes(126))[:2] == b"\xec\xfe"
    assert element(b"\xec", bytes(127))[:3] == b"\xec\x40\x7f"
    assert split(element(b"\x76\x70", b"ab") + element(b"\xec", b"")) == [(b"\x76\x70", b"ab"), (b"\xec", b"")]


@pytest.mark.parametrize("data", [b"\xec\x85ab", b"\xec", b"\x00\x81a", b"\xec\x00"])
def test_what_are_no_elements_is_not_split(data: bytes) -> None:
    with pytest.raises(ValueError, match="not elements"):
        split(data)
