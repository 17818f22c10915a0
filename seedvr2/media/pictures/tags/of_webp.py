"""What the chunks of a WebP carry that no result can hold."""

from __future__ import annotations

from pathlib import Path

from seedvr2.media.pictures.webp_chunks import read_webp_chunks

_KNOWN = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "))


def read_webp_items(path: Path) -> frozenset[str]:
    """Keys of `PICTURE_ITEMS`."""
    with path.open("rb") as file:
        kinds = {chunk.kind for chunk in read_webp_chunks(file)}
    return frozenset("c2pa" if kind == b"C2PA" else "app_data" for kind in kinds - _KNOWN)
