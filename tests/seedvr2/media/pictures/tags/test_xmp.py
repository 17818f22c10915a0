"""Of an XMP packet only what became untrue changes."""

from __future__ import annotations

from seedvr2.media.pictures.tags.xmp import adjusted, tells_depth, tells_gain_map, tells_video

HEAD = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><rdf:Description xmp:Rating="4" dc:x="tiff" '


def test_numbers_as_attributes_and_as_elements() -> None:
    packet = (
        HEAD + b'tiff:Orientation=\'8\' exif:PixelXDimension = "100" tiff:ImageWidth="7"><tiff:ImageLength>50</tiff'
    )
    assert adjusted(packet, 640, 480) == (
        HEAD + b'tiff:Orientation=\'1\' exif:PixelXDimension = "640" tiff:ImageWidth="640"><tiff:ImageLength>480</tiff'
    )


def test_all_else_stays_byte_for_byte() -> None:
    packet = HEAD + "dc:title='Größe 1920 x 1080'/>  \n\n  <?xpacket end='w'?>".encode() + bytes(range(128, 256))
    assert adjusted(packet, 1, 2) == packet


def test_what_refers_to_parts_that_are_gone_is_removed() -> None:
    packet = (
        HEAD + b'GCamera:MotionPhoto="1" hdrgm:Version="1.0" xmpNote:HasExtendedXMP="AB"><hdrgm:GainMapMax>2<'
        b"/hdrgm:GainMapMax><Container:Directory><rdf:Seq><Item:Length>9</Item:Length></rdf:Seq></Container:Directory>x"
    )
    assert adjusted(packet, 1, 1) == HEAD + b'GCamera:MotionPhoto="0">x'
    assert tells_video(packet) and tells_gain_map(packet) and not tells_depth(packet)
    assert not tells_video(adjusted(packet, 1, 1)) and not tells_gain_map(adjusted(packet, 1, 1))


def test_depth() -> None:
    for words in (b'GDepth:Format="x"', b'Item:Semantic="Depth"', b"depthmap"):
        assert tells_depth(HEAD + words)
