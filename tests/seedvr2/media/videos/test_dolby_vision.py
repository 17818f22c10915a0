"""Dolby Vision without a picture that others can show is refused; with one, that is what is upscaled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from tests.seedvr2.media import clips, patched

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
NO_PICTURE = [(5, 0), (10, 0), (20, 0)]
WITH_PICTURE = [(8, 1, "HDR10 "), (7, 6, "HDR10 "), (8, 4, "HLG "), (9, 2, "SDR "), (4, 2, "SDR "), (8, 0, "")]


def record(profile: int, compatibility: int) -> bytes:
    return bytes([1, 0, profile << 1, 0b01101 << 3 | 0b101, compatibility << 4]).ljust(24, b"\0")


def clip_of(path: Path, profile: int, compatibility: int) -> Path:
    clips.write_video(path, [clips.picture(96, 64)] * 2)
    kind = b"dvcC" if profile <= 7 else b"dvvC"
    if path.suffix == ".mkv":
        mapping = patched.element(patched.MAPPING_TYPE, kind)
        mapping += patched.element(patched.MAPPING_DATA, record(profile, compatibility))
        return patched.patch_matroska(path, {patched.ENTRY: patched.element(patched.MAPPING, mapping)})
    return patched.patch_mp4(path, patched.box(kind, record(profile, compatibility)))


def test_case_of_profile_5_is_refused() -> None:
    with pytest.raises(MediaError, match=r"24_dolby_vision_5\.mp4 is Dolby Vision of profile 5") as caught:
        open_source(CASES / "24_dolby_vision_5.mp4")
    assert "convert it to HDR10 or SDR" in str(caught.value)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("profile", "compatibility"), NO_PICTURE)
def test_profiles_without_a_picture_are_refused(tmp_path: Path, suffix: str, profile: int, compatibility: int) -> None:
    with pytest.raises(MediaError, match=f"profile {profile}"):
        open_source(clip_of(tmp_path / f"dolby{suffix}", profile, compatibility))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("profile", "compatibility", "base"), WITH_PICTURE)
def test_profiles_with_a_picture_are_read(
    tmp_path: Path, suffix: str, profile: int, compatibility: int, base: str
) -> None:
    source = open_source(clip_of(tmp_path / f"dolby{suffix}", profile, compatibility))
    assert len(list(source.frames())) == 2
    assert f"The Dolby Vision layer is left out; what is upscaled is the {base}picture below it." in source.warnings


@pytest.mark.parametrize(("profile", "full", "refused"), [(0, 1, True), (0, 0, False), (1, 0, False)])
def test_stream_without_a_record_is_known_by_its_frames(tmp_path: Path, profile: int, full: int, refused: bool) -> None:
    clip = clips.write_video(
        tmp_path / "dolby.hevc",
        [clips.picture(96, 64)],
        codec="libx265",
        options={"preset": "ultrafast", "x265-params": "log-level=none"},
        muxer="hevc",
    )
    clip.write_bytes(clip.read_bytes() + b"\0\0\0\1" + bytes([62 << 1, 1]) + processing_unit(profile, full))
    if refused:
        with pytest.raises(MediaError, match="profile 5"):
            open_source(clip)
    else:
        assert any("Dolby Vision layer is left out" in warning for warning in open_source(clip).warnings)


def processing_unit(profile: int, full: int) -> bytes:
    """Reference processing unit of a frame in 10 bits whose three components are mapped to themselves."""
    bits = (
        f"{25:08b}{2:06b}{18:011b}{profile:04b}{0:04b}1"  # prefix, type, format, profile, level; what follows is there
    )
    bits += f"000{golomb(23)}01{full}"  # filter, coefficients and their denominator, normalisation, range
    bits += f"{golomb(2)}{golomb(2)}{golomb(4)}000001"  # depths of the layers and of the result; no second layer
    bits += "00" + golomb(0) * 3
    bits += 3 * (golomb(0) + f"{0:010b}{1023:010b}") + golomb(0) * 2
    bits += 3 * (golomb(0) * 2 + "0" + golomb(0) + f"{0:023b}" + golomb(1) + f"{0:023b}")
    bits += "0" * (-len(bits) % 8)
    # What follows is the checksum, which is not looked at, and the end.
    data = int(bits, 2).to_bytes(len(bits) // 8, "big") + b"\1\2\3\4\x80"
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", data)


def golomb(value: int) -> str:
    """Exp-Golomb code."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code
