"""A result beside its source: pictures with a divider, zoom and pan; facts, download, another run."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from tests.daemon.conftest import Running, Start, eventually, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open
from tests.daemon.web.executors import Painting

SIZE = (320, 200)


@pytest.fixture
def running(start: Start) -> Running:
    return start(Painting())


@pytest.fixture
def viewer(running: Running, open_page: Open) -> Any:
    """The viewer with a blue source and a red result."""
    task = running.submit("photo.png", png("blue", SIZE))
    running.finished(task)
    page = open_page(running)
    page.locator("#history .card-image").click()
    expect(page.locator(".stage .media")).to_have_count(2)
    return page.locator("#viewer")


def colours(stage: Any, *places: float) -> list[str]:
    """What is seen at these shares of the width, at a height without labels or the handle."""
    picture = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
    pixels = [picture.getpixel((int(picture.width * place), picture.height * 2 // 3)) for place in places]
    names = {(0, 0, 255): "blue", (255, 0, 0): "red"}
    return [names.get(pixel, str(pixel)) for pixel in pixels]


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def transform(viewer: Any) -> tuple[float, float, float]:
    """Scale and offset of the result."""
    matrix = viewer.locator(".layer.after .media").evaluate(
        "(node) => { const m = new DOMMatrix(getComputedStyle(node).transform); return [m.a, m.e, m.f]; }"
    )
    return tuple(matrix)


def test_the_source_is_left_and_the_result_right_of_the_divider(viewer: Any) -> None:
    sizes = viewer.locator(".media").evaluate_all("(all) => all.map((each) => each.naturalWidth)")
    assert sizes == [640, 320]
    assert colours(viewer.locator(".stage"), 0.3, 0.45, 0.55, 0.7) == ["blue", "blue", "red", "red"]


def test_the_divider_is_dragged_with_the_mouse(viewer: Any) -> None:
    stage = viewer.locator(".stage")
    box, grip = stage.bounding_box(), viewer.locator(".grip").bounding_box()
    middle = grip["y"] + grip["height"] / 2
    drag(viewer.page, (grip["x"] + grip["width"] / 2, middle), (box["x"] + box["width"] * 0.35, middle))
    expect(viewer.get_by_role("slider")).to_have_attribute("aria-valuenow", "35")
    assert colours(stage, 0.3, 0.4, 0.6) == ["blue", "red", "red"]


def test_the_divider_is_moved_with_the_keyboard(viewer: Any) -> None:
    slider = viewer.get_by_role("slider", name="Divider")
    slider.focus()
    for key, at in (("ArrowLeft", 48), ("Shift+ArrowRight", 58), ("End", 100), ("ArrowRight", 100), ("Home", 0)):
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuenow", str(at))
    expect(slider).to_have_attribute("aria-valuetext", "0 % before")
    assert colours(viewer.locator(".stage"), 0.3, 0.7) == ["red", "red"]
    viewer.get_by_role("button", name="Before", exact=True).click()
    assert colours(viewer.locator(".stage"), 0.3, 0.7) == ["blue", "blue"]
    viewer.get_by_role("button", name="Both").click()
    expect(slider).to_have_attribute("aria-valuenow", "50")


def test_zoom_by_wheel_keeps_the_point_below_the_pointer(viewer: Any) -> None:
    box = viewer.locator(".stage").bounding_box()
    at = (box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    scale, x, y = transform(viewer)
    point = ((at[0] - box["x"] - x) / scale, (at[1] - box["y"] - y) / scale)
    viewer.page.mouse.move(*at)
    viewer.page.mouse.wheel(0, -800)
    eventually(lambda: transform(viewer)[0] > scale * 2)
    scale, x, y = transform(viewer)
    assert (at[0] - box["x"] - x) / scale == pytest.approx(point[0], abs=1)
    assert (at[1] - box["y"] - y) / scale == pytest.approx(point[1], abs=1)


def test_down_to_the_pixel_and_back_by_keys_and_buttons(viewer: Any) -> None:
    fitted = transform(viewer)[0]
    viewer.page.keyboard.press("1")
    expect(viewer.locator(".zoom")).to_have_text("100 %")
    assert transform(viewer)[0] == 1
    viewer.get_by_role("button", name="Four times").click()
    expect(viewer.locator(".zoom")).to_have_text("400 %")
    expect(viewer.locator(".layer.after .media")).to_have_css("image-rendering", "pixelated")
    viewer.page.keyboard.press("+")
    expect(viewer.locator(".zoom")).to_have_text("500 %")
    viewer.page.keyboard.press("0")
    assert transform(viewer)[0] == pytest.approx(fitted)


def test_pan_by_mouse_and_keys_and_both_pictures_move_together(viewer: Any) -> None:
    viewer.get_by_role("button", name="Four times").click()
    scale, x, y = transform(viewer)
    box = viewer.locator(".stage").bounding_box()
    start = (box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75)
    drag(viewer.page, start, (start[0] - 100, start[1] - 50))
    assert transform(viewer) == (scale, pytest.approx(x - 100), pytest.approx(y - 50))
    viewer.page.keyboard.press("ArrowRight")
    assert transform(viewer)[1] == pytest.approx(x - 160)
    moved = viewer.locator(".media").evaluate_all("(all) => all.map((each) => each.style.transform)")
    assert moved[0] == moved[1]


def test_the_facts_of_a_result(viewer: Any) -> None:
    facts = viewer.locator(".facts")
    for text in ("320 × 200 → 640 × 400", "nano", "API or page", "Seed42"):
        expect(facts).to_contain_text(text)


def test_a_result_is_downloaded(running: Running, viewer: Any) -> None:
    with viewer.page.expect_download() as download:
        viewer.get_by_role("link", name="Download").click()
    (result,) = running.results()
    assert download.value.suggested_filename == result.name
    assert download.value.path().read_bytes() == result.read_bytes()
    viewer.page.keyboard.press("Escape")
    with viewer.page.expect_download() as download:
        viewer.page.locator("#history").get_by_role("button", name="Download").click()
    assert download.value.path().read_bytes() == result.read_bytes()


def test_again_with_other_settings(running: Running, viewer: Any) -> None:
    page = viewer.page
    viewer.get_by_role("button", name="Again with other settings").click()
    expect(viewer).to_be_hidden()
    expect(page.locator("#again")).to_contain_text("photo.png again")
    expect(page.locator("#again").get_by_role("button", name="Start")).to_be_focused()
    page.get_by_role("button", name="720p").click()
    page.locator("#again").get_by_role("button", name="Start").click()
    expect(page.locator("#history .result.completed")).to_have_count(2)
    assert sorted(job.draft.options["resolution"] for job in running.history()) == [720, 1080]
    expect(page.locator("#again")).to_be_hidden()


def test_a_result_has_an_address_of_its_own(running: Running, viewer: Any, open_page: Open) -> None:
    page = viewer.page
    address = page.url
    assert "#task/" in address
    page.reload()
    expect(viewer.locator("h2")).to_have_text("photo.png")
    page.go_back()
    expect(viewer).to_be_hidden()


def test_history_has_thumbnails(viewer: Any) -> None:
    viewer.page.keyboard.press("Escape")
    image = viewer.page.locator("#history .stamp.seen img")
    expect(image).to_have_js_property("naturalWidth", 320)
    assert colours(viewer.page.locator("#history .stamp"), 0.5) == ["blue"]


def test_a_deleted_result_leaves_the_viewer_and_the_disk(running: Running, viewer: Any) -> None:
    viewer.get_by_role("button", name="Delete").click()
    viewer.page.locator("#confirm").get_by_role("button", name="Keep").click()
    expect(viewer).to_be_visible()
    viewer.get_by_role("button", name="Delete").click()
    viewer.page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(viewer).to_be_hidden()
    expect(viewer.page.locator("#history .result")).to_have_count(0)
    eventually(lambda: running.results() == [])
