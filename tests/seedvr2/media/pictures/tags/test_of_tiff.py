"""Records in a TIFF, whatever its writer says that they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, TiffImagePlugin, TiffTags

from seedvr2.media.pictures.tags import photoshop
from seedvr2.media.pictures.tags.of_tiff import IPTC, read_tiff_tags

# Record 2:120, the caption, of 9 letters; filled up to whole numbers of four bytes.
CAPTION = b"\x1c\x02\x78\x00\x09A harbour\0\0"


@pytest.mark.parametrize("kind", [TiffTags.LONG, TiffTags.BYTE, TiffTags.UNDEFINED])
def test_iptc_is_read_as_bytes(tmp_path: Path, kind: int) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    words = tuple(int.from_bytes(CAPTION[at : at + 4], "little") for at in range(0, len(CAPTION), 4))
    tags.tagtype[IPTC] = kind
    tags[IPTC] = words[0] if kind == TiffTags.LONG else CAPTION
    path = tmp_path / "a.tiff"
    Image.new("RGB", (8, 6)).save(path, tiffinfo=tags)
    if kind == TiffTags.LONG:
        path.write_bytes(_lengthened(path.read_bytes(), words))
    with Image.open(path) as image:
        found = read_tiff_tags(image)
    assert photoshop.iptc_of(found.resources or b"") == CAPTION


def _lengthened(tiff: bytes, words: tuple[int, ...]) -> bytes:
    """The file with all the numbers of the tag, of which Pillow writes one."""
    entry = tiff.index(IPTC.to_bytes(2, "little") + TiffTags.LONG.to_bytes(2, "little"))
    place = len(tiff).to_bytes(4, "little")
    numbers = b"".join(word.to_bytes(4, "little") for word in words)
    return tiff[: entry + 4] + len(words).to_bytes(4, "little") + place + tiff[entry + 12 :] + numbers
