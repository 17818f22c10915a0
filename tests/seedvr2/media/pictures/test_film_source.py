"""Pictures of light and of film come out as a screen shows them."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import CodecContext
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media import open_sink, open_source
from seedvr2.options import UpscaleOptions

LIGHT = np.linspace(0, 1, 8 * 6 * 3, dtype=np.float32).reshape(6, 8, 3)
DEEP = np.arange(8 * 6 * 3, dtype=np.uint16).reshape(6, 8, 3) * 400


def encoded(codec: str, image: np.ndarray, layout: str, **options: str) -> bytes:
    context: Any = CodecContext.create(codec, "w")
    context.options = options if codec == "jpeg2000" else {}
    context.height, context.width = image.shape[:2]
    context.pix_fmt, context.time_base = layout, Fraction(1)
    frame = av.VideoFrame.from_ndarray(image, layout)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def srgb(light: np.ndarray) -> np.ndarray:
    """By the formula of IEC 61966-2-1."""
    light = light.astype(float).clip(0, 1)
    return 65535 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def read(path: Path, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    path.write_bytes(data)
    with open_source(path) as source:
        source.prove()
        (frame,) = source.frames()
        info = source.info
        assert frame.image.shape == (info.height, info.width, 4 if info.has_alpha else 3) and info.kind == "picture"
        assert frame.image.dtype == (np.uint8 if info.bit_depth == 8 else np.uint16)
        return frame.image, source.warnings


@pytest.mark.parametrize(("codec", "error"), [("exr", 1), ("pfm", 1), ("hdr", 400)])
def test_light_becomes_srgb(tmp_path: Path, codec: str, error: int) -> None:
    image, warnings = read(tmp_path / f"a.{codec}", encoded(codec, LIGHT, "gbrpf32le"))
    assert np.abs(image - srgb(LIGHT)).max() <= error and warnings == ()
    image, warnings = read(tmp_path / f"a.{codec}", encoded(codec, LIGHT * 4, "gbrpf32le"))
    assert np.abs(image - srgb(LIGHT * 4)).max() <= error
    assert len(warnings) == 1 and "above white was cut" in warnings[0]


def test_transparency_of_exr_is_divided_out(tmp_path: Path) -> None:
    half = np.concatenate([LIGHT / 2, np.full((6, 8, 1), 0.5, np.float32)], axis=2)
    image, _ = read(tmp_path / "a.exr", encoded("exr", half, "gbrapf32le"))
    assert np.abs(image[..., :3] - srgb(LIGHT)).max() <= 1 and set(image[..., 3].flat) == {32768}


def test_gray_pfm(tmp_path: Path) -> None:
    Image.fromarray(LIGHT[..., 0]).save(tmp_path / "a.pfm")
    image, _ = read(tmp_path / "a.pfm", (tmp_path / "a.pfm").read_bytes())
    assert np.abs(image - srgb(LIGHT[..., :1])).max() <= 1


@pytest.mark.parametrize(
    ("layout", "shift"), [("rgb48be", 0), ("rgb48le", 0), ("gbrp12be", 4), ("gbrp10be", 6), ("rgb24", 8)]
)
def test_dpx_of_every_depth(tmp_path: Path, layout: str, shift: int) -> None:
    values = (DEEP >> shift).astype(np.uint8 if shift == 8 else np.uint16)
    image, warnings = read(tmp_path / "a.dpx", encoded("dpx", values, layout))
    peak = 65535 >> shift
    assert np.abs(image * (1.0 if shift == 8 else peak / 65535) - values).max() < 0.51 and warnings == ()


def with_attribute(exr: bytes, name: bytes, kind: bytes, value: bytes) -> bytes:
    """Before the first attribute; the table of lines behind the header moves with its offsets."""
    extra = name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value
    start, count = 8, 6
    while exr[start]:
        for _ in range(2):
            start = exr.index(b"\0", start) + 1
        start += 4 + int.from_bytes(exr[start : start + 4], "little")
    start += 1
    offsets = struct.unpack_from(f"<{count}Q", exr, start)
    moved = struct.pack(f"<{count}Q", *(offset + len(extra) for offset in offsets))
    return exr[:8] + extra + exr[8:start] + moved + exr[start + 8 * count :]


def test_exr_with_other_primaries_says_so_in_the_result(tmp_path: Path) -> None:
    rec2020 = struct.pack("<8f", 0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
    data = with_attribute(encoded("exr", LIGHT, "gbrpf32le"), b"chromaticities", b"chromaticities", rec2020)
    (tmp_path / "a.exr").write_bytes(data)
    for name in ("png", "tiff"):
        with (
            open_source(tmp_path / "a.exr") as source,
            open_sink(tmp_path / f"out.{name}", source, 8, 6, UpscaleOptions(output_format=name)) as sink,
        ):
            (frame,) = source.frames()
            sink.write(frame.image, frame)
    wanted = struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)
    assert b"cHRM" + wanted in (tmp_path / "out.png").read_bytes()
    with Image.open(tmp_path / "out.tiff") as made:
        assert b"rXYZ" in made.info["icc_profile"]
    aces = struct.pack("<8f", 0.7347, 0.2653, 0, 1, 0.0001, -0.077, 0.32168, 0.33767)
    (tmp_path / "a.exr").write_bytes(data.replace(rec2020, aces))
    with pytest.raises(MediaError, match=r"a\.exr is an OpenEXR with colours that no screen has"):
        open_source(tmp_path / "a.exr")


def test_what_cannot_be_shown_is_refused_by_name(tmp_path: Path) -> None:
    dpx, exr = encoded("dpx", DEEP, "rgb48be"), encoded("exr", LIGHT, "gbrpf32le")
    cases = {
        "log.dpx": (dpx[:801] + b"\3" + dpx[802:], "logarithmic"),
        "film.dpx": (dpx[:801] + b"\1" + dpx[802:], "printing density"),
        "luma.dpx": (dpx[:800] + b"\6" + dpx[801:], "another kind than RGB"),
        "head.dpx": (dpx[:500], "cut off"),
        "parts.exr": (exr[:4] + struct.pack("<I", 0x1002) + exr[8:], "OpenEXR of several parts"),
        "xyz.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 6 +X 8\n", "unusual kind"),
        "huge.pfm": (b"PF\n60000 60000\n-1.0\n", "more pixels than are accepted"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=rf"{name} .*{words}"):
            open_source(tmp_path / name)


@pytest.mark.parametrize("codec", ["exr", "pfm", "dpx", "hdr"])
def test_what_is_cut_off_is_refused(tmp_path: Path, codec: str) -> None:
    data = encoded("dpx", DEEP, "rgb48be") if codec == "dpx" else encoded(codec, LIGHT, "gbrpf32le")
    with pytest.raises(MediaError, match=rf"a\.{codec}"):
        read(tmp_path / f"a.{codec}", data[: len(data) - 100])
