"""Which tracks of a file are protected, so that nobody without its key can decode them."""

from __future__ import annotations

from pathlib import Path

from seedvr2.media.carried import boxes, ebml

# Sample descriptions of protected tracks: those of Common Encryption (ISO/IEC 23001-7), and those of iTunes.
_ENTRIES = frozenset({"encv", "enca", "enct", "encs", "encm", "drmi", "drms", "p608"})
# Objects in the header of a Windows Media file: Content Encryption, Extended Content Encryption.
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROTECTED = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
_ASF_HEADER = 1 << 16
_ENCRYPTION = 1  # the type of a content encoding; 0 is compression


def is_protected(path: Path, identity: int, index: int) -> bool:
    """Whether a track of an mp4, QuickTime, Matroska or Windows Media file is protected.

    `identity`, `index`: what PyAV calls `stream.id` and `stream.index`.
    """
    with path.open("rb") as file:
        if any(
            box.kind in _ENTRIES and box.path[-2:-1] == ("stsd",) and box.track == identity for box in boxes.walk(file)
        ):
            return True
        for element in ebml.walk(file):
            if element.track == index + 1 and element.name == "ContentEncryption":
                return True
            if element.track == index + 1 and element.name == "ContentEncodingType":
                return ebml.number(ebml.payload(file, element)) == _ENCRYPTION
        file.seek(0)
        header = file.read(_ASF_HEADER)
    return header.startswith(_ASF) and any(mark in header for mark in _ASF_PROTECTED)
