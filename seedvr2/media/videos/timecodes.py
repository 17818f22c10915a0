"""The timecode of a video's first frame (SMPTE ST 12-1): where a source has it, and whether a result can."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

_TIMECODE = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)([:;.])(\d\d+)")
_DROPPING = (Fraction(30000, 1001), Fraction(60000, 1001))


def first_timecode(source: InputContainer, video: VideoStream, side_data: Mapping[str, bytes]) -> str | None:
    """The timecode of the first frame, by the file's tags or else the frame's own `side_data`; None without one."""
    for tags in (video.metadata, source.metadata, *(stream.metadata for stream in source.streams)):
        if text := next((text for key, text in tags.items() if key.lower() == "timecode"), None):
            return text
    return _of_picture(side_data.get("S12M_TIMECODE", b"")) or _of_group(side_data.get("GOP_TIMECODE", b""))


def fits(timecode: str, rate: Fraction | None) -> bool:
    """Whether a timecode counts frames of that rate; one that drops numbers is of NTSC only."""
    found = _TIMECODE.fullmatch(timecode)
    if not found or not rate:
        return False
    return int(found[5]) < round(rate) and (found[4] == ":" or rate in _DROPPING)


def _of_picture(data: bytes) -> str | None:
    """That of a message of H.264 or HEVC, as FFmpeg gives it: digits of four bits, hours lowest."""
    if len(data) < 8 or not int.from_bytes(data[:4], "little"):
        return None
    packed = int.from_bytes(data[4:8], "little")
    fields = [packed & 0x3F, packed >> 8 & 0x7F, packed >> 16 & 0x7F, packed >> 24 & 0x3F]
    hours, minutes, seconds, frames = ((field >> 4) * 10 + (field & 15) for field in fields)
    return _text(hours, minutes, seconds, frames, dropping=bool(packed >> 30 & 1))


def _of_group(data: bytes) -> str | None:
    """That of an MPEG-2 group of pictures (ITU-T H.262, 6.2.2.6)."""
    packed = int.from_bytes(data[:8], "little")
    hours, minutes, seconds, frames = packed >> 19 & 31, packed >> 13 & 63, packed >> 6 & 63, packed & 63
    return _text(hours, minutes, seconds, frames, dropping=bool(packed >> 24 & 1))


def _text(hours: int, minutes: int, seconds: int, frames: int, *, dropping: bool) -> str | None:
    # Encoders that know no timecode count from zero.
    if not any((hours, minutes, seconds)):
        return None
    return f"{hours:02}:{minutes:02}:{seconds:02}{';' if dropping else ':'}{frames:02}"
