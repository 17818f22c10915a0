"""The items of an AVIF or HEIF file: which pictures are in it, where, and with what properties (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from seedvr2.media.pictures.boxes import Box, boxes, find

_IN_FILE, _IN_META = 0, 1
_ALPHA_NAMES = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")


@dataclass(slots=True)
class Item:
    """An item: a picture, or data on one.

    Attributes:
        kind: `av01`, `hvc1`, `grid`, `Exif`… properties: its boxes, such as `ispe` and `colr`.
        extents: where its bytes are, as (offset, length) of the file or, if `in_meta`, of the `idat` box.
        targets: the items that it refers to, by the kind of reference.
    """

    kind: bytes = b""
    properties: list[Box] = field(default_factory=list)
    extents: list[tuple[int, int]] = field(default_factory=list)
    in_meta: bool = False
    targets: dict[bytes, list[int]] = field(default_factory=dict)

    def prop(self, kind: bytes) -> bytes | None:
        """The body of a property; None without it."""
        return next((box.body for box in self.properties if box.kind == kind), None)


@dataclass(frozen=True, slots=True)
class HeifItems:
    """All items by number, and which one is shown."""

    primary: int
    items: dict[int, Item]

    def shown(self) -> Item:
        """The primary item."""
        return self.items.get(self.primary, Item())

    def alpha(self) -> Item | None:
        """The item with the transparency of the primary one."""
        for item in self.items.values():
            name = item.prop(b"auxC") or b""
            if self.primary in item.targets.get(b"auxl", ()) and name[4:].startswith(_ALPHA_NAMES):
                return item
        return None

    def auxiliary_names(self) -> set[bytes]:
        """What the further pictures that go with one are for, such as `…:depth`."""
        names = (item.prop(b"auxC") for item in self.items.values())
        return {name[4:].split(b"\0")[0] for name in names if name}


def read_items(data: bytes) -> HeifItems | None:
    """The items of a whole file; None if it has none. Raises struct.error or IndexError where it is damaged."""
    meta = find(data, b"meta")
    if meta is None:
        return None
    found: dict[int, Item] = {}
    for kind, read in ((b"iinf", _read_kinds), (b"iloc", _read_places), (b"iref", _read_references)):
        if (body := find(meta, kind)) is not None:
            read(body, found)
    if (properties := find(meta, b"iprp")) is not None:
        _read_properties(properties, found)
    primary = find(meta, b"pitm") or bytes(6)
    number = int.from_bytes(primary[4:6] if primary[0] == 0 else primary[4:8], "big")
    return HeifItems(number, found)


def item_bytes(item: Item, data: bytes) -> bytes:
    """The bytes of an item of the file `data`."""
    place = find(data, b"meta", b"idat") or b"" if item.in_meta else data
    return b"".join(place[offset : offset + length if length else None] for offset, length in item.extents)


def _read_kinds(body: bytes, found: dict[int, Item]) -> None:
    for box in boxes(body[6 if body[0] == 0 else 8 :]):
        version = box.body[0]
        if box.kind == b"infe" and version >= 2:
            wide = 2 if version == 2 else 4
            number = int.from_bytes(box.body[4 : 4 + wide], "big")
            found.setdefault(number, Item()).kind = box.body[6 + wide : 10 + wide]


def _read_places(body: bytes, found: dict[int, Item]) -> None:
    version = body[0]
    offset_size, length_size, base_size = body[4] >> 4, body[4] & 15, body[5] >> 4
    index_size = body[5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    position = 6

    def number(size: int) -> int:
        nonlocal position
        position += size
        if position > len(body):
            raise IndexError(position)
        return int.from_bytes(body[position - size : position], "big")

    for _ in range(number(wide)):
        item = found.setdefault(number(wide), Item())
        method = number(2) & 15 if version else _IN_FILE
        item.in_meta = method == _IN_META
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size)
            offset = number(offset_size)
            item.extents.append((base + offset, number(length_size)))


def _read_references(body: bytes, found: dict[int, Item]) -> None:
    layout, wide = (">H", 2) if body[0] == 0 else (">I", 4)
    for box in boxes(body[4:]):
        source, count = struct.unpack_from(f"{layout}H", box.body)
        targets = struct.unpack_from(f">{count}{layout[1]}", box.body, wide + 2)
        found.setdefault(source, Item()).targets.setdefault(box.kind, []).extend(targets)


def _read_properties(body: bytes, found: dict[int, Item]) -> None:
    known = list(boxes(find(body, b"ipco") or b""))
    for box in boxes(body):
        if box.kind != b"ipma":
            continue
        (count,) = struct.unpack_from(">I", box.body, 4)
        wide_item, wide_index = (2 if box.body[0] == 0 else 4), 1 + (box.body[3] & 1)
        position = 8
        for _ in range(count):
            item = found.setdefault(int.from_bytes(box.body[position : position + wide_item], "big"), Item())
            amount = box.body[position + wide_item]
            position += wide_item + 1
            for _ in range(amount):
                index = int.from_bytes(box.body[position : position + wide_index], "big")
                index &= 0x7F if wide_index == 1 else 0x7FFF
                position += wide_index
                if 0 < index <= len(known):
                    item.properties.append(known[index - 1])
