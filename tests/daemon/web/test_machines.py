"""The machines of a cluster in the system view: what their GPUs do, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.cluster.conftest import Clustered, begin
from tests.daemon.cluster.elsewhere import GATEWAY, MACHINE, MODEL, lacking
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open
from tests.daemon.web.test_accessibility import violations
from tests.daemon.web.test_looks import sticking_out
from tests.seedvr2.catalogue.hub import Hub
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'seedvr2d[cluster]'")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Clustered, Hub]]:
    """With a machine that lacks a model which the service has."""
    theirs, ours = tmp_path / "theirs", tmp_path / "service"
    with lacking(theirs, ours) as hub:
        running = begin(ours, GATEWAY)
        yield running, hub
        hub.gate.set()
        running.service.stop()


def test_each_machine_has_a_card_that_says_what_it_does_and_has_it_fetch_what_a_task_waits_for(
    service: tuple[Clustered, Hub], open_page: Open, tmp_path: Path
) -> None:
    running, hub = service
    page = open_page(running, color_scheme="dark", viewport={"width": 360, "height": 740})
    page.goto(f"{running.service.url}/#system")
    card = page.get_by_role("dialog", name="System").locator(".machine")
    expect(card).to_have_count(1)
    expect(card.locator("li")).to_have_count(2)
    expect(card.locator(".badge")).to_have_text(["idle", "idle"])
    expect(card.get_by_role("button")).to_have_count(0)
    clip = write_video(tmp_path / "film.mp4", list(pixels(scene(1, 60, step=1))))
    film = running.submit("film.mp4", clip.read_bytes(), resolution="720", batch_size="1", dit_model="nano")
    expect(card.locator(".badge", has_text="working").first).to_be_visible()
    expect(card).to_contain_text("nano")
    running.post(f"/api/tasks/{film}/cancel")

    hub.gate.clear()
    job = running.submit("photo.png", dit_model=MODEL, resolution="64")
    expect(card).to_contain_text("A task waits for this model")
    card.get_by_role("button", name=f"Download: {MODEL} ({MACHINE})").press("Enter")
    cancel = card.get_by_role("button", name=f"Cancel: {MODEL} ({MACHINE})")
    # The button is the same one: it keeps the keyboard's focus, also while the card is told anew.
    expect(cancel).to_be_focused()
    expect(card.get_by_role("progressbar", name=f"Download: {MODEL} ({MACHINE})")).to_be_visible()
    expect(card).to_contain_text("downloading")
    assert violations(page) == []
    assert sticking_out(page) == []
    # On this machine nothing is on its way.
    offered = page.locator(".offers .card").get_by_role("button", name="Cancel", include_hidden=True)
    expect(offered).to_have_count(0)
    cancel.press("Enter")
    expect(card.get_by_role("button", name="Download")).to_be_focused()
    running.post(f"/api/tasks/{job}/cancel")
    expect(card.get_by_role("button")).to_have_count(0)
    # A page that is open while the service ends says so.
    page.close()
