"""The machines of a cluster in the system view: what their GPUs do, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.cluster.conftest import begin
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open
from tests.daemon.web.test_accessibility import violations
from tests.daemon.web.test_looks import sticking_out
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'seedvr2d[cluster]'")


def test_each_machine_has_a_card_that_says_what_it_does(open_page: Open, tmp_path: Path) -> None:
    running = begin(tmp_path / "service")
    try:
        page = open_page(running, color_scheme="dark", viewport={"width": 360, "height": 740})
        page.goto(f"{running.service.url}/#system")
        card = page.get_by_role("dialog", name="System").locator(".machine")
        expect(card).to_have_count(1)
        expect(card.locator("li")).to_have_count(2)
        expect(card.locator(".badge")).to_have_text(["idle", "idle"])
        assert violations(page) == []
        assert sticking_out(page) == []
        clip = write_video(tmp_path / "film.mp4", list(pixels(scene(1, 60, step=1))))
        running.submit("film.mp4", clip.read_bytes(), resolution="720", batch_size="1")
        expect(card.locator(".badge", has_text="working").first).to_be_visible()
        expect(card).to_contain_text("nano")
        # A page that is open while the service ends says so.
        page.close()
    finally:
        running.service.stop()
