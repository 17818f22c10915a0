"""A preview on the page: of a file that is picked and of a task; side by side, and its strength into the form."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from benchmarks.runs import CLIP
from seedvr2.errors import MediaError
from tests.daemon.conftest import PATIENCE_S, Running, eventually, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open, posts, unfold_settings
from tests.daemon.web.test_accessibility import violations


def pick(page: Any, name: str = "photo.png", content: bytes | None = None) -> Any:
    """Pick a file for a preview; the dialog."""
    with page.expect_file_chooser() as chooser:
        page.locator("#pick-preview").click()
    chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content or png()})
    return page.locator("#preview")


def seen(dialog: Any, *places: float) -> list[int]:
    """How bright the stage is at these shares of its width, below its labels and the handle."""
    with Image.open(io.BytesIO(dialog.locator(".stage").screenshot())) as shot:
        picture = shot.convert("L")
        return [picture.getpixel((int(picture.width * place), picture.height * 2 // 3)) for place in places]


def test_a_picked_file_is_shown_with_the_settings_and_its_strength_taken(running: Running, page: Any) -> None:
    unfold_settings(page)
    page.get_by_label("Short edge").fill("480")
    dialog = pick(page)
    choices = dialog.locator(".preview-choice")
    expect(choices).to_have_text(["Plain resize", "Strength 0.25", "Strength 0.5", "Strength 0.75", "Strength 1"])
    expect(choices.nth(4)).to_have_attribute("aria-pressed", "true")
    expect(dialog.locator("h2")).to_have_text("Preview: photo.png")
    expect(dialog).to_contain_text("→ 120 × 80 · a part of 30 × 20 pixels of the source")
    # The plain resize is left of the divider, what was chosen is right of it.
    assert seen(dialog, 0.3, 0.7) == [0, 200]
    choices.nth(2).focus()
    page.keyboard.press("Enter")
    expect(choices.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(choices.nth(4)).to_have_attribute("aria-pressed", "false")
    assert seen(dialog, 0.3, 0.7) == [0, 100]
    dialog.get_by_role("button", name="Use this strength").click()
    expect(dialog).not_to_be_visible()
    expect(page.get_by_role("slider", name="Strength")).to_have_value("0.5")
    ((content, options, wish, _, _),) = running.executor.previews
    assert content == png() and options.resolution == 480 and wish.at is None
    assert running.history() == []


def test_a_task_can_be_started_with_it(running: Running, page: Any) -> None:
    sent = posts(page)
    dialog = pick(page, "started.png")
    dialog.locator(".preview-choice").nth(3).click()
    dialog.get_by_role("button", name="Start the task with it").click()
    expect(page.locator("#history .result.completed")).to_contain_text("started.png")
    assert running.executor.runs[0][1].strength == 0.75
    # The file went to the service once.
    assert [path for path in sent if "/uploads/" not in path] == ["/api/preview"]
    assert len(sent) == 2 and list(running.service.context.uploads.glob(".[0-9a-f]*")) == []


def test_a_waiting_and_the_running_task_are_shown(running: Running, page: Any) -> None:
    running.executor.gate.clear()
    running.submit("first.png", color_correction="hsv")
    assert running.executor.running.wait(PATIENCE_S)
    running.submit("second.png", seed="7")
    expect(page.locator("#queue li.row")).to_have_count(1)
    for row, name in ((page.locator("#queue li.row"), "second.png"), (page.locator("#queue .now"), "first.png")):
        row.get_by_role("button", name="Preview at several strengths").click()
        dialog = page.locator("#preview")
        expect(dialog.locator("h2")).to_have_text(f"Preview: {name}")
        expect(dialog.locator(".preview-choice")).to_have_count(5)
        expect(dialog.get_by_role("button", name="Start the task")).not_to_be_visible()
        page.keyboard.press("Escape")
    assert [asked[1].seed for asked in running.executor.previews] == [7, 42]
    assert running.executor.previews[1][1].color_correction == "hsv"


def test_another_place_of_a_video(running: Running, page: Any) -> None:
    dialog = pick(page)
    expect(dialog.locator(".preview-choice")).to_have_count(5)
    expect(dialog.get_by_label("Time in the video")).not_to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    dialog = pick(page, "clip.mp4", CLIP.read_bytes())
    place = dialog.get_by_label("Time in the video")
    expect(place).to_have_value("1.5")
    place.fill("0.25")
    place.press("Enter")
    expect(place).to_have_value("0.25")
    expect(dialog.locator(".preview-choice")).to_have_count(5)
    # The former choices stay until the answer is there.
    eventually(lambda: [asked[2].at for asked in running.executor.previews] == [None, None, 0.25])
    assert running.executor.previews[-1][0] == CLIP.read_bytes()
    # That of the picture, and one of the video, however often that is looked at.
    assert len(list(running.service.context.uploads.glob(".[0-9a-f]*"))) == 2


def test_what_the_service_says_is_shown(running: Running, page: Any, complaints: Any) -> None:
    complaints.expect("400 (Bad Request)")
    running.executor.errors.append(MediaError("photo.png is damaged."))
    dialog = pick(page)
    expect(dialog.locator(".viewer-note")).to_have_text("photo.png is damaged.")
    expect(dialog.get_by_role("button", name="Use this strength")).to_be_disabled()
    assert violations(page) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_axe_and_no_sideways_scrolling(running: Running, open_page: Open, width: int) -> None:
    page = open_page(running, viewport={"width": width, "height": 760}, color_scheme="dark", locale="ja")
    dialog = pick(page)
    expect(dialog.locator(".preview-choice")).to_have_count(5)
    assert violations(page) == []
    assert page.evaluate("document.querySelector('#preview').scrollWidth") <= width
