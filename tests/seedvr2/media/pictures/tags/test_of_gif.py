"""The XMP of a GIF."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from seedvr2.media.pictures.tags.of_gif import read_gif_xmp

PACKET = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>rating</x:xmpmeta>"
# As specified: it leads readers that take the packet for blocks to the end, wherever in it they are.
TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def test_a_packet_is_read_whole_and_a_gif_without_one_has_none(tmp_path: Path) -> None:
    plain = tmp_path / "plain.gif"
    Image.new("P", (8, 6)).save(plain)
    assert read_gif_xmp(plain) is None
    data = plain.read_bytes()
    end = data.rindex(b";")
    tagged = tmp_path / "tagged.gif"
    tagged.write_bytes(data[:end] + b"\x21\xff\x0bXMP DataXMP" + PACKET + TRAILER + data[end:])
    assert read_gif_xmp(tagged) == PACKET
    cut = tmp_path / "cut.gif"
    cut.write_bytes(tagged.read_bytes()[: end + 30])
    assert read_gif_xmp(cut) is None
