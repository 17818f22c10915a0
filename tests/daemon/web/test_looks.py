"""Dark, light, narrow: nothing is cut off, and the colours follow the system or the choice."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.runs import CLIP
from seedvr2.errors import MediaError
from tests.daemon.conftest import Running, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open, unfold_settings

NARROW = {"width": 360, "height": 740}
LONG = "A_very_long_name_without_a_single_space_" * 3 + ".png"


def background(page: Any) -> int:
    """How bright the page is, 0 to 255."""
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(each) for each in colour.strip("rgb()").split(",")[:3])


def test_dark_and_light_follow_the_system(running: Running, open_page: Open) -> None:
    page = open_page(running, color_scheme="dark")
    assert background(page) < 60
    page.emulate_media(color_scheme="light")
    assert background(page) > 200


def test_a_chosen_theme_wins_and_is_remembered(running: Running, open_page: Open) -> None:
    page = open_page(running, color_scheme="light")
    theme = page.locator("#theme")
    for name, dark in (("light", False), ("dark", True)):
        theme.click()
        expect(theme).to_have_accessible_name(f"Theme: {name}")
        assert (background(page) < 60) is dark
    page.reload()
    assert background(page) < 60
    theme.click()
    assert background(page) > 200


@pytest.mark.parametrize("locale", ["en", "ja", "zh-TW"])
def test_nothing_is_cut_off_in_360_pixels(running: Running, open_page: Open, locale: str) -> None:
    running.executor.errors.append(MediaError("https://example.org/" + "unbroken" * 30))
    for name in ("failed.png", LONG):
        running.finished(running.submit(name, png(size=(320, 200))))
    task = running.submit("clip.mp4", CLIP.read_bytes())
    running.finished(task)
    running.executor.gate.clear()
    for name in (LONG, LONG):
        running.submit(name)
    page = open_page(running, locale=locale, viewport=NARROW)
    expect(page.locator("#queue li.row")).to_have_count(1)
    unfold_settings(page)
    assert sticking_out(page) == []
    page.locator("#history .card-image").first.click()
    expect(page.locator(".stage .media")).to_have_count(2)
    assert sticking_out(page) == []
    assert page.locator("#viewer .stage").bounding_box()["height"] > 200


def sticking_out(page: Any) -> list[str]:
    """What reaches beyond the window or beyond the panel that it is in, or makes something scroll sideways."""
    found: list[str] = page.evaluate("""() => {
        const out = [];
        const width = document.documentElement.clientWidth;
        const root = document.querySelector("dialog[open]") ?? document.body;
        if (document.documentElement.scrollWidth > width) out.push(`the page: ${document.documentElement.scrollWidth}`);
        if (root.scrollWidth > width) out.push(`${root.tagName}: ${root.scrollWidth}`);
        for (const node of root.querySelectorAll("button, a, select, input, p, h2, li, label")) {
            if (node.closest(".stage, .skip, .visually-hidden")) continue;
            const box = node.getBoundingClientRect();
            const panel = node.closest(".settings, .row, .result, .drop")?.getBoundingClientRect().right ?? width;
            if (!box.width || (box.right < panel + 0.5 && box.left > -0.5)) continue;
            out.push(`${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}`);
        }
        return out;
    }""")
    return found
