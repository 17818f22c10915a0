"""Source and result where one of them is enlarged, or is of a kind that the browser does not know."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.daemon.conftest import Running, Start, eventually, png
from tests.daemon.executors import FakeExecutor
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open
from tests.daemon.web.films import FRAMES, film

LEVELS = "(canvas) => [...canvas.getContext('2d').getImageData(0, canvas.height / 2, canvas.width, 1).data]"
COLOUR = """async (image) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [1, 1];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


class Enlarging(FakeExecutor):
    """Four times the picture by copying pixels; of a video a film in ProRes whose frames become redder."""

    def _write(self, source: Path, target: Path) -> tuple[int, int]:
        if target.suffix == ".mov":
            film(target, "prores_ks", "yuv422p10le", (128, 72))
            return 128, 72
        with Image.open(source) as picture:
            size = (picture.width * 4, picture.height * 4)
            picture.convert("RGB").resize(size, Image.Resampling.NEAREST).save(target)
        return size


def stripes() -> bytes:
    """Black, white, black, in columns of eight pixels."""
    image = np.zeros((16, 24), np.uint8)
    image[:, 8:16] = 255
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def running(start: Start) -> Running:
    return start(Enlarging(steps=FRAMES))


def test_the_source_is_a_smooth_resize_unless_its_pixels_are_asked_for(running: Running, open_page: Open) -> None:
    task = running.submit("stripes.png", stripes())
    running.finished(task)
    page = open_page(running, f"#task/{task}")
    viewer = page.locator("#viewer")
    canvas = viewer.locator(".layer.before canvas")
    row = canvas.evaluate(LEVELS)[::4]
    assert len(row) == 24 * 4
    # Between the two there is a slope of some pixels, and as far from it as any filter reaches the stripe's own colour.
    assert (row[16], row[48]) == (0, 255)
    assert all(low < high for low, high in pairwise(row[29:35]))
    assert any(40 < level < 215 for level in row[30:34])
    expect(viewer.get_by_role("button", name="Smooth")).to_have_attribute("aria-pressed", "true")
    viewer.get_by_role("button", name="Pixels", exact=True).click()
    viewer.get_by_role("button", name="Four times").click()
    expect(canvas).to_be_hidden()
    expect(viewer.locator(".layer.before img")).to_have_css("image-rendering", "pixelated")
    page.reload()
    expect(viewer.get_by_role("button", name="Pixels", exact=True)).to_have_attribute("aria-pressed", "true")
    viewer.get_by_role("button", name="Smooth").click()
    expect(canvas).to_be_visible()


def test_a_picture_that_the_browser_does_not_know_is_drawn_by_the_service(running: Running, open_page: Open) -> None:
    task = running.submit("photo.png", png("teal", (24, 16)), output_format="tiff")
    running.finished(task)
    page = open_page(running, f"#task/{task}")
    result = page.locator("#viewer .layer.after img")
    expect(result).to_have_js_property("naturalWidth", 96)
    expect(page.locator(".stage .media")).to_have_count(2)
    expect(page.locator("#viewer .viewer-note")).to_have_text("")
    assert result.evaluate(COLOUR) == [0, 128, 128]


def test_frames_of_videos_that_the_browser_cannot_play(running: Running, open_page: Open, tmp_path: Path) -> None:
    source = film(tmp_path / "film.mkv", "ffv1", "yuv420p", (64, 36))
    task = running.submit("film.mkv", source, profile="edit")
    running.finished(task)
    page = open_page(running, f"#task/{task}")
    expect(page.locator(".stage service-stills img")).to_have_count(2)
    expect(page.locator("#viewer .viewer-note")).to_contain_text("the service draws its frames")
    expect(page.get_by_role("button", name="Play")).to_be_disabled()
    frame = page.locator(".frame")
    expect(frame).to_have_text(f"1 / {FRAMES}")
    assert near(page, 0)
    for _ in range(3):
        page.keyboard.press(".")
    expect(frame).to_have_text(f"4 / {FRAMES}")
    eventually(lambda: near(page, 3))
    line = page.get_by_role("slider", name="Position")
    line.focus()
    line.press("End")
    eventually(lambda: near(page, FRAMES - 1))
    page.keyboard.press("Escape")
    expect(page.locator("#history .stamp.seen img")).to_have_count(1)


def near(page: Any, number: int) -> bool:
    """Whether both sides show this frame."""
    sides = page.locator(".stage service-stills img")
    wanted = (10 * number, 255 - 10 * number, 60)
    return all(
        abs(level - right) < 6
        for side in sides.all()
        for level, right in zip(side.evaluate(COLOUR), wanted, strict=True)
    )
