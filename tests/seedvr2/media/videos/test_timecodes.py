"""Timecodes are found wherever a source has them; one that no clock of that rate shows is not written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from seedvr2.media.videos.timecodes import first_timecode, fits
from tests.seedvr2.media import clips

CASES = Path(__file__).parents[3] / "fixtures" / "cases"


def of(path: Path, **side_data: bytes) -> str | None:
    with av.open(str(path)) as container:
        return first_timecode(container, container.streams.video[0], side_data)


def test_tags_say_it(tmp_path: Path) -> None:
    assert of(CASES / "15_timecode.mov") == "10:20:30:05"
    plain = clips.write_video(tmp_path / "a.mkv", [clips.picture(32, 32)])
    assert of(plain) is None


def test_frames_say_it(tmp_path: Path) -> None:
    plain = clips.write_video(tmp_path / "a.mkv", [clips.picture(32, 32)])
    # 01:23:45;12, a digit in four bits, the hours lowest; the flag for dropping is bit 30.
    packed = 1 << 30 | 0x12 << 24 | 0x45 << 16 | 0x23 << 8 | 0x01
    assert of(plain, S12M_TIMECODE=(1).to_bytes(4, "little") + packed.to_bytes(4, "little")) == "01:23:45;12"
    group = 1 << 19 | 23 << 13 | 1 << 12 | 45 << 6 | 12
    assert of(plain, GOP_TIMECODE=group.to_bytes(8, "little")) == "01:23:45:12"
    assert of(plain, GOP_TIMECODE=(1 << 12 | 3).to_bytes(8, "little")) is None, "an encoder that counts from zero"
    assert of(plain, S12M_TIMECODE=b"", GOP_TIMECODE=b"") is None


@pytest.mark.parametrize(
    ("timecode", "rate", "fit"),
    [
        ("10:20:30:24", Fraction(25), True),
        ("10:20:30:25", Fraction(25), False),
        ("10:20:30:59", Fraction(60000, 1001), True),
        ("10:20:30;02", Fraction(30000, 1001), True),
        ("10:20:30;02", Fraction(25), False),
        ("10:20:60:00", Fraction(25), False),
        ("10:20:30:00", None, False),
        ("nonsense", Fraction(25), False),
    ],
)
def test_what_fits(timecode: str, rate: Fraction | None, fit: bool) -> None:
    assert fits(timecode, rate) is fit
