"""Profiles that are made mean the colours that the numbers meant."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from seedvr2.media.pictures.tags.made_profile import profile_of_chunks, profile_of_cicp
from tests.seedvr2.media.profiles import SRGB

# From linear RGB of the space to linear RGB of sRGB: both have the white D65.
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])


def linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def seen(profile: bytes, color: tuple[int, int, int]) -> np.ndarray:
    image = ImageCms.profileToProfile(
        Image.new("RGB", (1, 1), color), ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert image is not None
    return np.asarray(image)[0, 0].astype(int)


@pytest.mark.parametrize("color", [(128, 128, 128), (160, 100, 90), (90, 140, 120), (255, 255, 255), (20, 30, 40)])
def test_display_p3(color: tuple[int, int, int]) -> None:
    profile = profile_of_cicp((12, 13, 0, 1))
    assert profile is not None
    expected = 255 * encoded(P3_TO_SRGB @ linear(np.array(color) / 255))
    assert np.abs(seen(profile, color) - expected).max() <= 2


def test_a_gamma_of_its_own() -> None:
    # Numbers that are proportional to light: 55 of 255 looks like sRGB's 128.
    profile = profile_of_chunks({b"gAMA": struct.pack(">I", 100_000)})
    assert profile is not None
    assert np.abs(seen(profile, (55, 55, 55)) - 128).max() <= 1


def test_srgb_needs_none() -> None:
    srgb = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    assert profile_of_chunks({b"gAMA": struct.pack(">I", 45455), b"cHRM": srgb}) is None
    assert profile_of_chunks({}) is None
    made = profile_of_cicp((1, 13, 0, 1))
    assert made is not None
    for color in ((200, 30, 90), (1, 2, 3)):
        assert np.abs(seen(made, color) - seen(SRGB, color)).max() <= 1


def test_what_no_profile_states() -> None:
    assert profile_of_cicp((9, 16, 0, 1)) is None
    assert profile_of_cicp((10, 13, 0, 1)) is None
    assert profile_of_chunks({b"cHRM": bytes(32)}) is None
    assert profile_of_chunks({b"cHRM": struct.pack(">8I", *[30000] * 8)}) is None
