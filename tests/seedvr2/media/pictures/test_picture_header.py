"""Which page of a TIFF is the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from tests.seedvr2.media.tiffs import Page, rgb_page, tiff_file

RED, BLUE = (200, 10, 10), (10, 10, 200)


def read(path: Path, pages: list[Page], order: str = "<") -> tuple[np.ndarray, frozenset[str]]:
    path.write_bytes(tiff_file(pages, order))
    with open_source(path) as source:
        (frame,) = source.frames()
        assert frame.image.shape[:2] == (source.info.height, source.info.width)
        return frame.image, source.tags.present()  # type: ignore[attr-defined]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("small", [{"t254": 1}, {"t255": 2}, {"t254": 4}])
def test_a_small_copy_before_the_picture_is_passed_over(tmp_path: Path, order: str, small: dict[str, int]) -> None:
    image, items = read(tmp_path / "a.tif", [rgb_page(4, 3, RED, **small), rgb_page(16, 12, BLUE)], order)
    assert image.shape == (12, 16, 3) and image[0, 0].tolist() == list(BLUE)
    assert "pages" not in items


def test_small_copies_behind_the_picture_are_no_pages(tmp_path: Path) -> None:
    image, items = read(tmp_path / "a.tif", [rgb_page(16, 12, BLUE), rgb_page(8, 6, RED, t254=1)])
    assert image[0, 0].tolist() == list(BLUE) and "pages" not in items


def test_further_pages_are_said(tmp_path: Path) -> None:
    image, items = read(tmp_path / "a.tif", [rgb_page(16, 12, BLUE, t254=2), rgb_page(16, 12, RED, t254=2)])
    assert image[0, 0].tolist() == list(BLUE) and "pages" in items


def test_the_later_page_keeps_its_sixteen_bits(tmp_path: Path) -> None:
    page = Page({**rgb_page(2, 1, RED).tags, 258: (16, 16, 16)}, np.arange(6, dtype="<u2").tobytes())
    image, _ = read(tmp_path / "a.tif", [rgb_page(4, 3, RED, t254=1), page])
    assert image.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_picture_kept_below_its_small_copy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff_file([rgb_page(4, 3, RED, [rgb_page(16, 12, BLUE)], t254=1)]))
    with pytest.raises(MediaError, match=r"a\.tif is a TIFF whose full picture is kept below a small one"):
        open_source(tmp_path / "a.tif")


def test_a_loop_of_pages_ends(tmp_path: Path) -> None:
    data = bytearray(tiff_file([rgb_page(4, 3, RED)]))
    data[-4:] = data[4:8]
    (tmp_path / "a.tif").write_bytes(data)
    assert open_source(tmp_path / "a.tif").info.width == 4
