"""What the boxes of an AVIF, HEIF or JPEG 2000 carry beside their pixels that Pillow does not tell."""

from __future__ import annotations

import struct
from pathlib import Path

from seedvr2.media.pictures.boxes import boxes, find
from seedvr2.media.pictures.heif_items import HeifItems, read_items
from seedvr2.media.pictures.tags.picture_tags import Cicp, PictureTags

_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF = b"JpgTiffExif->JP2"
_RESTRICTED_ICC, _ANY_ICC = 2, 3
_FULL_RANGE = 1
_SRGB: Cicp = (1, 13, 0, _FULL_RANGE)
_UNSPECIFIED = 2


def read_box_tags(path: Path) -> PictureTags:
    """Raises one of `exif.BROKEN`."""
    data = path.read_bytes()
    items = {"c2pa"} if any(box.name == _C2PA for box in boxes(data)) else set()
    found = read_items(data)
    if found is not None:
        return PictureTags(cicp=described_color(found), items=frozenset(items | _others(found)))
    by_name = {box.name: box.body for box in boxes(data) if box.name}
    exif = by_name.get(_EXIF)
    return PictureTags(
        icc=_jp2_profile(data),
        exif=b"Exif\0\0" + exif if exif else None,
        xmp=by_name.get(_XMP),
        items=frozenset(items),
    )


def described_color(items: HeifItems) -> Cicp | None:
    """What an `nclx` property says of the RGB pixels; None if it says nothing, or what goes without saying."""
    described = [box for box in items.shown().properties if box.kind == b"colr"]
    if any(box.body[:4] in (b"prof", b"rICC") for box in described):
        # The numbers beside a profile are for the decoder.
        return None
    for box in described:
        if box.body[:4] == b"nclx":
            primaries, transfer = struct.unpack_from(">HH", box.body, 4)
            # BT.709's curve is taken for that of sRGB in pictures: their screens have one curve.
            if transfer in (1, 6, _UNSPECIFIED):
                transfer = _SRGB[1]
            if primaries == _UNSPECIFIED:
                primaries = _SRGB[0]
            cicp = (primaries, transfer, 0, _FULL_RANGE)
            return None if cicp == _SRGB or max(cicp) > 255 else cicp
    return None


def _others(items: HeifItems) -> set[str]:
    found, names = set(), b" ".join(items.auxiliary_names()).lower()
    kinds = {item.kind for item in items.items.values()}
    if b"gainmap" in names or b"tmap" in kinds:
        found.add("gain_map")
    if b"depth" in names or b"auxid:2" in names:
        found.add("depth_map")
    hidden = {number for item in items.items.values() for number in item.targets.get(b"dimg", ())}
    pictures = {
        number
        for number, item in items.items.items()
        if item.kind in (b"av01", b"hvc1", b"grid", b"iden", b"unci", b"j2k1")
        and number not in hidden
        and not item.targets.keys() & {b"auxl", b"thmb"}
    }
    if len(pictures - {items.primary}) > 0 and "gain_map" not in found:
        found.add("more_pictures")
    return found


def _jp2_profile(data: bytes) -> bytes | None:
    color = find(data, b"jp2h", b"colr")
    return color[3:] if color and color[0] in (_RESTRICTED_ICC, _ANY_ICC) else None
