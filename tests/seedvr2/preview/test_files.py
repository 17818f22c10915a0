from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from seedvr2 import UpscaleOptions, Upscaler
from seedvr2.media.pictures.png_chunks import SIGNATURE
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.preview.files import SHEET, label, sheet, write_preview
from seedvr2.preview.making import Preview, PreviewFrame
from seedvr2.preview.wish import Wish
from tests.seedvr2.media.clips import picture, write_video


def preview_of(strengths: tuple[float, ...], times: tuple[float | None, ...], size: tuple[int, int]) -> Preview:
    """Gray images, the brighter the stronger."""
    width, height = size
    frames = tuple(
        PreviewFrame(strength, time, np.full((height, width, 3), round(100 + 100 * strength), np.uint8))
        for time in times
        for strength in strengths
    )
    return Preview(frames, width, height, size, None, "nano", 1.0, 5, 1.0, PictureTags())


def test_a_sheet_has_a_row_for_each_frame_and_a_cell_for_each_strength() -> None:
    shown = sheet(preview_of((0.0, 0.5, 1.0), (1.0, 1.04), (160, 90)))
    assert shown.size == (3 * 172 + 12, 2 * 120 + 12)
    for row in range(2):
        for column, level in enumerate((100, 150, 200)):
            assert shown.getpixel((12 + column * 172 + 80, 12 + row * 120 + 18 + 45)) == (level,) * 3
    assert (label(0.0), label(0.25)) == ("plain resize", "strength 0.25")


def test_a_sheet_of_many_and_large_images_is_broken_and_made_smaller() -> None:
    shown = sheet(preview_of(tuple(index / 7 for index in range(8)), (None,), (3000, 1000)))
    assert shown.width <= 2048
    # Five beside each other, and three below.
    width, height = (2048 - 6 * 12) // 5, round((2048 - 6 * 12) / 5 / 3)
    assert shown.getpixel((12 + 4 * (width + 12) + 50, 12 + 18 + height // 2)) == (round(100 + 400 / 7),) * 3
    assert shown.getpixel((12 + 2 * (width + 12) + 50, 12 + height + 30 + 18 + height // 2)) == (200,) * 3


def test_images_keep_the_profile_of_a_picture(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture(40, 30)).save(tmp_path / "in.png", icc_profile=profile)
    nano = Upscaler(tmp_path / "none", device="cpu", dtype="float32", default_model="nano")
    made = nano.preview(tmp_path / "in.png", UpscaleOptions(resolution=60), Wish(strengths=(1.0,), patience=None))
    names = write_preview(made, tmp_path, "shown-")
    for name in (*names, "shown-" + SHEET):
        with Image.open(tmp_path / name) as image:
            assert image.info["icc_profile"] == profile


@pytest.mark.parametrize(("tags", "cicp"), [((9, 16, 9, 1), (9, 16, 0, 1)), ((1, 1, 1, 1), None)])
def test_images_of_hdr_say_so(tmp_path: Path, tags: tuple[int, int, int, int], cicp: tuple[int, ...] | None) -> None:
    clip = write_video(
        tmp_path / "in.mkv", [picture(48, 32, index) for index in range(6)], codec="ffv1", layout="yuv420p10le",
        options={}, tags=tags,
    )  # fmt: skip
    nano = Upscaler(tmp_path / "none", device="cpu", dtype="float32", default_model="nano")
    wish = replace(Wish(patience=None), at=0.0, strengths=(1.0,))
    made = nano.preview(clip, UpscaleOptions(resolution=64), wish)
    data = (tmp_path / write_preview(made, tmp_path)[0]).read_bytes()
    assert data.startswith(SIGNATURE)
    at = data.find(b"cICP")
    assert (struct.unpack("4B", data[at + 4 : at + 8]) if at >= 0 else None) == cicp
