"""Two players in step: source and result of a video."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.runs import CLIP
from tests.daemon.conftest import Running, Start, eventually
from tests.daemon.executors import FakeExecutor
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open

FRAMES, FPS = 24, 25
TIMES = "(all) => all.map((video) => video.seeking ? null : video.currentTime)"


@pytest.fixture
def running(start: Start) -> Running:
    return start(FakeExecutor(steps=FRAMES))


@pytest.fixture
def viewer(running: Running, open_page: Open) -> Any:
    task = running.submit("clip.mp4", CLIP.read_bytes())
    running.finished(task)
    page = open_page(running, f"#task/{task}")
    expect(page.locator(".stage video")).to_have_count(2)
    return page.locator("#viewer")


def times(viewer: Any) -> list[float]:
    """Where both are, once both have arrived."""
    seen: list[Any] = eventually(lambda: None not in (found := viewer.locator("video").evaluate_all(TIMES)) and found)
    return seen


def in_step(viewer: Any) -> float:
    """The place of both; fails when they do not come to the same one."""
    eventually(lambda: (found := times(viewer)) and found[0] == pytest.approx(found[1], abs=1e-3))
    return times(viewer)[0]


def test_they_play_and_stop_in_step(viewer: Any) -> None:
    viewer.get_by_role("button", name="Play").click()
    eventually(lambda: all(viewer.locator("video").evaluate_all("(all) => all.map((each) => each.played.length > 0)")))
    eventually(lambda: viewer.locator(".layer.after video").evaluate("(each) => each.currentTime > 0.1"))
    assert viewer.locator("video").evaluate_all("(all) => all.map((each) => each.paused)") == [False, False]
    viewer.get_by_role("button", name="Pause").click()
    assert viewer.locator("video").evaluate_all("(all) => all.map((each) => each.paused)") == [True, True]
    in_step(viewer)


def test_frames_are_stepped_one_at_a_time_in_both(viewer: Any) -> None:
    frame = viewer.locator(".frame")
    expect(frame).to_have_text(f"1 / {FRAMES}")
    for shown in (2, 3, 4):
        viewer.get_by_role("button", name="One frame on").click()
        expect(frame).to_have_text(f"{shown} / {FRAMES}")
        assert in_step(viewer) == pytest.approx((shown - 0.5) / FPS, abs=1e-3)
    viewer.page.keyboard.press(",")
    expect(frame).to_have_text(f"3 / {FRAMES}")
    viewer.page.keyboard.press(".")
    expect(frame).to_have_text(f"4 / {FRAMES}")
    assert in_step(viewer) == pytest.approx(3.5 / FPS, abs=1e-3)


def test_both_go_where_the_time_line_is_put(viewer: Any) -> None:
    line = viewer.get_by_role("slider", name="Position")
    box = line.bounding_box()
    viewer.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert in_step(viewer) == pytest.approx(FRAMES / FPS / 2, abs=0.05)
    line.focus()
    line.press("Home")
    assert in_step(viewer) == pytest.approx(0, abs=1e-3)


def test_the_last_frame_is_the_end_and_speed_holds_for_both(viewer: Any) -> None:
    line = viewer.get_by_role("slider", name="Position")
    line.focus()
    line.press("End")
    expect(viewer.locator(".frame")).to_have_text(f"{FRAMES} / {FRAMES}")
    viewer.get_by_role("button", name="One frame on").click()
    expect(viewer.locator(".frame")).to_have_text(f"{FRAMES} / {FRAMES}")
    viewer.get_by_label("Speed").select_option("0.25")
    assert viewer.locator("video").evaluate_all("(all) => all.map((each) => each.playbackRate)") == [0.25, 0.25]


def test_space_plays_and_the_divider_works_while_it_does(viewer: Any) -> None:
    viewer.page.keyboard.press("Space")
    expect(viewer.get_by_role("button", name="Pause")).to_be_visible()
    viewer.get_by_role("slider", name="Divider").press("ArrowLeft")
    expect(viewer.get_by_role("slider", name="Divider")).to_have_attribute("aria-valuenow", "48")
    viewer.page.keyboard.press("Space")
    expect(viewer.get_by_role("button", name="Play")).to_be_visible()
    in_step(viewer)


def test_closing_ends_the_download_of_both(viewer: Any) -> None:
    viewer.page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(viewer.page.locator("video")).to_have_count(0)  # the event that ends them comes just after
