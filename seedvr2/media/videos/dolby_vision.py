"""Dolby Vision: whether what a decoder without it gives is a picture, or in colours that only Dolby's decoder knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream

from seedvr2.errors import MediaError
from seedvr2.media.carried import boxes, ebml

_RECORDS = ("dvcC", "dvvC", "dvwC")
# What the base layer is by itself, by the record's "compatibility ID".
_BASE_LAYERS = {1: "HDR10", 2: "SDR", 4: "HLG", 6: "HDR10"}
# Profiles whose base layer always is a picture, even where an old record has no ID.
_WITH_PICTURE = frozenset({2, 4, 6, 7, 8, 9})
_ONLY_DOLBY = 5
_RPU_PREFIX = 25


@dataclass(frozen=True, slots=True)
class DolbyVision:
    """What a stream says of its Dolby Vision: the profile, and what its base layer is by itself (0: nothing)."""

    profile: int
    compatibility: int

    @property
    def shown_without(self) -> bool:
        """Whether the base layer is a picture in common colours."""
        if self.profile == _ONLY_DOLBY:
            return False
        return self.compatibility != 0 or self.profile in _WITH_PICTURE

    def warning(self) -> str:
        """A sentence on what is left out."""
        base = _BASE_LAYERS.get(self.compatibility)
        return (
            f"The Dolby Vision layer is left out; what is upscaled is the {f'{base} ' if base else ''}picture below it."
        )


def check_dolby_vision(path: Path, container_format: str, stream: VideoStream, first: av.VideoFrame) -> str | None:
    """A sentence on what is left out of a video that has Dolby Vision; None of any other.

    Raises:
        MediaError: without Dolby's decoder its colours would be wrong.
        OSError: the file cannot be read.
    """
    found = _stated(path, container_format, stream) or _in_frame(first)
    if found is None:
        return None
    if not found.shown_without:
        raise MediaError(
            f"{path.name} is Dolby Vision of profile {found.profile}, whose colours come out wrong without Dolby's own "
            "decoder; convert it to HDR10 or SDR first."
        )
    return found.warning()


def _stated(path: Path, container_format: str, stream: VideoStream) -> DolbyVision | None:
    with path.open("rb") as file:
        if container_format.startswith("mov"):
            for box in boxes.walk(file):
                if box.track == stream.id and "stsd" in box.path and box.kind in _RECORDS:
                    return _record(boxes.payload(file, box, 8))
        elif container_format.startswith("matroska"):
            kind = ""
            for element in ebml.walk(file):
                if element.track != stream.index + 1 or element.path[-2:-1] != ("BlockAdditionMapping",):
                    continue
                if element.name == "BlockAddIDType":
                    kind = ebml.payload(file, element, 4).decode("latin-1")
                elif element.name == "BlockAddIDExtraData" and kind in _RECORDS:
                    return _record(ebml.payload(file, element, 8))
    return None


def _record(data: bytes) -> DolbyVision | None:
    """The configuration record: 16 bits of version, 7 of profile, 6 of level, 3 flags, 4 bits of compatibility."""
    return DolbyVision(data[2] >> 1, data[4] >> 4) if len(data) >= 5 else None


def _in_frame(frame: av.VideoFrame) -> DolbyVision | None:
    """What the first frame's own data says: all there is in a raw stream, and all that PyAV gives of a broadcast."""
    entries: Any = frame.side_data  # typed as a dict, but it iterates over its values
    for entry in entries:
        if entry.type is SideDataType.DOVI_RPU_BUFFER:
            return DolbyVision(_ONLY_DOLBY, 0) if _in_dolby_colours(bytes(entry)) else DolbyVision(8, 0)
    return None


def _in_dolby_colours(data: bytes) -> bool:
    """Whether a reference processing unit (ETSI GS CCM 001) is that of profile 5: VDR profile 0 and full range."""
    bits = _Bits(data)
    if bits.take(8) != _RPU_PREFIX:
        return False
    bits.take(6 + 11)  # type and format
    profile = bits.take(4)
    bits.take(4)  # level
    if profile or not bits.take(1):
        return False
    bits.take(1)  # explicit filter of chroma
    if bits.take(2) == 0:
        bits.take_exponential()  # denominator of coefficients
    bits.take(2)  # normalisation
    return bits.take(1) == 1


class _Bits:
    """Numbers of any length from bytes; zeros beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:64].ljust(64, b"\0"), "big")
        self._left = 8 * 64

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        self._left -= count
        return self._value >> max(self._left, 0) & (1 << count) - 1

    def take_exponential(self) -> int:
        """An Exp-Golomb code, as H.264 has them: as many bits as there are zeros before it."""
        zeros = 0
        while zeros < 32 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
