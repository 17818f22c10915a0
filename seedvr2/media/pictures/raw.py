"""Camera raw files, told from pictures: most are TIFF files whose first picture is a thumbnail."""

from __future__ import annotations

from pathlib import Path

from seedvr2.errors import MediaError
from seedvr2.media.pictures.tiff_directories import (
    COMPRESSION,
    MAGICS,
    MAKE,
    PHOTOMETRIC,
    SUB_DIRECTORIES,
    Directory,
    read_directories,
)

# What the files of makers begin with that are no TIFF, or one with a mark of its own: where, and what.
_MARKS = (
    (0, b"FUJIFILMCCD-RAW"),  # RAF
    (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"),  # ORF
    (0, b"IIU\0"),  # RW2, RWL
    (0, b"FOVb"),  # X3F
    (0, b"\0MRM"),  # MRW
    (0, b"\0MRI"),
    (6, b"HEAPCCDR"),  # CRW
    (8, b"CR\2\0"),  # CR2
    (8, b"IIIITwaR"), (8, b"MMMMRawT"),  # IIQ
    (4, b"ftypcrx "),  # CR3
    (0, b"ARRI"),  # ARI
)  # fmt: skip
_MARK_BYTES = 16
# Photometric interpretations of DNG and TIFF/EP: a colour filter array, and what one measured, not developed yet.
_UNDEVELOPED = {32803, 34892, 52527}
# Compressions of sensor data: Leaf, Kodak, Sony, Samsung, Nikon, Kodak, Pentax.
_SENSOR_COMPRESSIONS = {99, 262, 32767, 32769, 32770, 32772, 34713, 65000, 65535}
_CFA_PATTERN_SIZE, _CFA_PATTERN, _LEAF_DATA, _DNG_VERSION, _DNG_MODEL = 33421, 33422, 34310, 50706, 50708
_SENSOR_TAGS = {_CFA_PATTERN_SIZE, _CFA_PATTERN, _LEAF_DATA, _DNG_VERSION, _DNG_MODEL}
_PREVIEW_OFFSET = 513
_SUFFIXES = frozenset(
    (".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".eip", ".erf", ".fff",
     ".gpr", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".ptx", ".raf", ".raw",
     ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f")
)  # fmt: skip


def refuse_raw(path: Path) -> None:
    """Let everything pass that is not camera raw: by its content, and by its name where the content does not tell.

    Raises:
        MediaError: it is camera raw.
    """
    if is_raw(path):
        raise MediaError(
            f"{path.name} is camera raw, which holds what the sensor measured and no picture yet; develop it first "
            "(with darktable, RawTherapee or the maker's program) and save it as TIFF or PNG."
        )


def is_raw(path: Path) -> bool:
    """Whether a file is camera raw. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_MARK_BYTES)
        if any(head.startswith(mark, place) for place, mark in _MARKS):
            return True
        if not head.startswith(MAGICS):
            return False
        pages = read_directories(file)
    if any(_of_a_sensor(each) for page in pages for each in (page, *page.sub)):
        return True
    return path.suffix.lower() in _SUFFIXES and _with_a_preview(pages)


def _of_a_sensor(directory: Directory) -> bool:
    return (
        bool(directory.tags & _SENSOR_TAGS)
        or directory.number(PHOTOMETRIC) in _UNDEVELOPED
        or directory.number(COMPRESSION) in _SENSOR_COMPRESSIONS
    )


def _with_a_preview(pages: list[Directory]) -> bool:
    """Whether a TIFF is laid out as cameras do it, and not the single picture of an editor."""
    if not pages:
        return True
    first = pages[0]
    return len(pages) > 1 or first.secondary or bool(first.tags & {SUB_DIRECTORIES, _PREVIEW_OFFSET, MAKE})
