"""A long video shows what it takes before it is sent; a short one is sent at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.runs import CLIP
from tests.daemon.conftest import Running
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Complaints, Open, posts
from tests.daemon.web.test_accessibility import violations
from tests.daemon.web.test_looks import NARROW, sticking_out


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames in 20 seconds: 400 s of work for the executor of the tests."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(200):
            image = np.full((48, 64, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return path


def choose(page: Any, *paths: Path) -> None:
    page.locator("#files").set_input_files([str(path) for path in paths])


def test_a_long_video_waits_until_its_plan_was_seen_and_follows_the_settings(
    running: Running, page: Any, film: Path
) -> None:
    choose(page, film)
    card = page.locator(".plan")
    expect(card.locator(".badge")).to_have_text("fits")
    expect(card).to_contain_text("64 × 48 → 1440 × 1080 · 200 frames")
    expect(card).to_contain_text("very roughly 6 min 40 s")
    expect(card).to_contain_text("3.1 kB of 1.0 MB free")
    expect(card).to_contain_text("nano")
    assert running.executor.foreseen[0][0].frames == 200
    assert violations(page) == []
    page.locator("#settings").get_by_role("button", name="720p").click()
    expect(card).to_contain_text("64 × 48 → 960 × 720")
    assert running.get("/api/queue/status").json()["in_system"] == 0
    assert running.history() == []
    card.get_by_role("button", name="Start").press("Enter")
    expect(card).to_have_count(0)
    expect(page.locator("#history .result.completed")).to_have_count(1)
    assert running.history()[0].draft.options["resolution"] == 720


def test_a_short_video_is_sent_at_once(running: Running, page: Any) -> None:
    choose(page, CLIP)
    expect(page.locator("#history .result.completed")).to_have_count(1)
    assert running.executor.foreseen[0][0].frames == 24
    expect(page.locator(".plan")).to_have_count(0)


def test_what_the_browser_cannot_read_is_planned_by_the_server(
    running: Running, open_page: Open, film: Path, tmp_path: Path, complaints: Complaints
) -> None:
    # As if it were large: what is small is simply sent.
    page = open_page(running, viewport=NARROW, color_scheme="dark")
    page.route("**/js/plans.js", lambda route: route.fulfill(response=(answer := route.fetch()), body=_small(answer)))
    page.reload()
    page.locator("body[data-ready]").wait_for()
    lossless = tmp_path / "lossless.mkv"
    with av.open(str(film)) as source, av.open(str(lossless), "w") as target:
        stream = target.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    choose(page, lossless)
    card = page.locator(".plan")
    expect(card).to_contain_text("This browser cannot look into this video")
    card.get_by_role("button", name="Have the server plan it").click()
    expect(card).to_contain_text("64 × 48 → 1440 × 1080")
    expect(card.get_by_role("button", name="Have the server plan it")).to_be_hidden()
    assert sticking_out(page) == []
    assert violations(page) == []
    # It waits there for its task; where it could not, it is sent after all.
    assert running.service.context.kept.give_way(1)
    complaints.expect("404 (Not Found)")
    sent = posts(page)
    card.get_by_role("button", name="Start").click()
    expect(page.locator(".plan")).to_have_count(0)
    expect(page.locator("#history .result.completed")).to_have_count(1)
    assert sent[0].endswith("/submit") and sent[1:] == ["/api/process"]


def _small(answer: Any) -> str:
    text: str = answer.text()
    assert "LARGE_BYTES = 100e6" in text
    return text.replace("LARGE_BYTES = 100e6", "LARGE_BYTES = 10")
