from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seedvr2.media import open_source
from seedvr2.media.thumbnail import thumbnail
from tests.seedvr2.media.clips import picture, write_video


@pytest.mark.parametrize("size", [(640, 360), (645, 367), (64, 36), (30, 27), (360, 640)])
def test_a_thumbnail_shows_the_mean_colours_of_its_parts(size: tuple[int, int]) -> None:
    small = thumbnail(picture(*size), 16, 9)
    assert small.shape == (9, 16, 3) and small.dtype == np.uint8
    y, x = (np.arange(edge) + 0.5 for edge in small.shape[:2])
    # Ramps from left to right and from top to bottom.
    np.testing.assert_allclose(small[..., 0], np.broadcast_to(40 + 150 * x / 16, (9, 16)), atol=6)
    np.testing.assert_allclose(small[..., 1], np.broadcast_to(40 + 150 * y[:, None] / 9, (9, 16)), atol=6)


def test_depth_and_transparency_make_no_difference() -> None:
    image = picture(320, 180)
    alpha = np.concatenate((image, np.zeros((180, 320, 1), np.uint8)), -1)
    for variant in (image.astype(np.uint16) * 257, alpha):
        assert np.array_equal(thumbnail(variant, 16, 9), thumbnail(image, 16, 9))


def test_a_videos_thumbnails_are_its_frames_made_small(tmp_path: Path) -> None:
    frames = [picture(320, 180, index) for index in range(0, 20, 4)]
    with open_source(write_video(tmp_path / "clip.mp4", frames, tags=(6, 6, 6, 1))) as source:
        small = list(source.thumbnails(16, 9))
        wanted = [thumbnail(frame.image, 16, 9) for frame in source.frames()]
        np.testing.assert_allclose(np.stack(small).astype(int), np.stack(wanted).astype(int), atol=12)
        assert all(np.array_equal(a, b) for a, b in zip(source.thumbnails(16, 9, 3), small[3:], strict=True))
