"""axe-core finds nothing in any state of the page."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.runs import CLIP
from seedvr2.errors import MediaError
from tests.daemon.conftest import Running, png
from tests.daemon.web.browser import do_without, expect
from tests.daemon.web.conftest import Open, unfold_settings

try:
    from axe_playwright_python.sync_playwright import Axe
except ImportError:
    do_without("axe is not installed: pip install axe-playwright-python")


def violations(page: Any) -> list[str]:
    # In the middle of a transition colours are neither the old nor the new ones.
    page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})))")
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]


def fill(running: Running) -> str:
    """Results, a failure, a running and two waiting tasks. Answers the id of a video's."""
    running.executor.errors.append(MediaError("Frame 7 is damaged."))
    running.finished(running.submit("failed.png"))
    running.finished(running.submit("photo.png", png(size=(320, 200))))
    video = running.submit("clip.mp4", CLIP.read_bytes())
    running.finished(video)
    running.executor.gate.clear()
    for name in ("running.png", "waiting.png", "also.png"):
        running.submit(name)
    return video


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_each_state(running: Running, open_page: Open, scheme: str) -> None:
    page = open_page(running, color_scheme=scheme)
    assert violations(page) == []
    fill(running)
    expect(page.locator("#queue li.row")).to_have_count(2)
    expect(page.locator("#history .result")).to_have_count(3)
    unfold_settings(page)
    assert violations(page) == []
    page.locator("#history .result.failed").get_by_role("button", name="Delete").click()
    assert violations(page) == []


def test_the_viewer_of_a_picture_and_of_a_video(running: Running, open_page: Open) -> None:
    video = fill(running)
    page = open_page(running, f"#task/{video}")
    expect(page.locator(".stage video")).to_have_count(2)
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator("#history .result.completed", has_text="photo.png").locator(".card-image").click()
    expect(page.locator(".stage img")).to_have_count(2)
    assert violations(page) == []
    page.locator("#viewer").get_by_role("button", name="Again with other settings").click()
    expect(page.locator("#again")).to_be_visible()
    assert violations(page) == []


def test_narrow(running: Running, open_page: Open) -> None:
    video = fill(running)
    page = open_page(running, viewport={"width": 360, "height": 740}, color_scheme="dark", locale="ja")
    expect(page.locator("#queue li.row")).to_have_count(2)
    assert violations(page) == []
    page.goto(f"{running.service.url}/#task/{video}")
    expect(page.locator(".stage video")).to_have_count(2)
    assert violations(page) == []
