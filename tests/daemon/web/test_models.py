"""The cards of models that are not here: fetched with a button, with progress, room and errors."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from tests.daemon.conftest import Running, Start, eventually
from tests.daemon.engine.test_pulls import MODEL
from tests.daemon.hub import hub_of
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open, unfold_settings
from tests.daemon.web.test_accessibility import violations
from tests.seedvr2.catalogue.hub import Hub


@pytest.fixture
def running(start: Start, tmp_path: Path) -> Running:
    """With the real list of models."""
    return start(LocalExecutor(tmp_path / "models", ModelSettings(device="cpu")))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, running: Running) -> Iterator[Hub]:
    with hub_of(running, monkeypatch) as server:
        yield server


def offers(page: Any) -> Any:
    page.locator("summary", has_text="can be downloaded").click()
    return page.locator(".offers .card", has_text=MODEL)


def test_a_model_is_fetched_from_its_card_by_the_keyboard(running: Running, hub: Hub, open_page: Open) -> None:
    hub.gate.clear()
    page = open_page(running)
    card = offers(page)
    expect(card.locator("progress")).to_be_hidden()
    card.get_by_role("button", name=f"Download: {MODEL}").press("Enter")
    button = card.get_by_role("button", name=f"Cancel: {MODEL}")
    expect(button).to_be_focused()
    expect(card).to_contain_text("downloading")
    expect(card.get_by_role("progressbar", name=f"Download: {MODEL}")).to_be_visible()
    assert violations(page) == []
    button.press("Enter")
    expect(card.get_by_role("button")).to_have_text("Download")
    hub.gate.set()
    card.get_by_role("button", name=f"Download: {MODEL}").press("Enter")
    expect(page.get_by_role("button", name=f"Load: {MODEL}", exact=True)).to_be_visible()
    assert (running.config.paths.models[0] / MODEL).exists()


def test_where_only_nano_is_here_one_button_gets_a_real_model_which_can_be_removed_again(
    running: Running, hub: Hub, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.models._suggested", lambda: MODEL)
    page = open_page(running)
    expect(page.locator("#queue .empty")).to_contain_text(str(running.inbox))
    first = page.locator(".first-offer")
    expect(first).to_contain_text("Only the small embedded model is here")
    assert violations(page) == []
    first.get_by_role("button", name="Download").press("Enter")
    expect(first).to_be_hidden()
    file = running.config.paths.models[0] / MODEL
    assert file.exists()
    remove = page.locator("#settings .card", has=page.locator(f"[value='{MODEL}']")).get_by_role(
        "button", name="Remove"
    )
    remove.click()
    expect(page.locator("#confirm")).to_contain_text(f"Remove {MODEL} from the server?")
    page.locator("#confirm").get_by_role("button", name="Keep").click()
    assert file.exists()
    remove.click()
    page.locator("#confirm").get_by_role("button", name="Remove").click()
    expect(first).to_be_visible()
    assert not file.exists()
    # What came with the program, or was put there by hand, has no such button.
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)


def test_what_went_wrong_is_on_the_card(running: Running, hub: Hub, open_page: Open) -> None:
    hub.files.clear()
    page = open_page(running, viewport={"width": 360, "height": 740})
    unfold_settings(page)
    card = page.locator(".offers .card", has_text=MODEL)
    card.get_by_role("button").click()
    expect(card).to_contain_text("the server answered 404")
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    assert violations(page) == []


def test_without_room_the_button_is_off_and_says_why(
    running: Running, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10**9))
    monkeypatch.setattr("daemon.api.models.free_bytes", lambda _folder: 10**9)
    page = open_page(running)
    card = offers(page)
    expect(card).to_contain_text("needs 2.9 GB; the server has 1.0 GB free")
    expect(card.get_by_role("button")).to_be_disabled()


def test_a_file_of_ones_own_goes_by_its_name(running: Running, open_page: Open) -> None:
    source = Path(__file__).parents[2] / "fixtures/golden/quant/model-Q8_0.gguf"
    folder = running.config.paths.models[0]
    folder.mkdir(exist_ok=True)
    shutil.copyfile(source, folder / "of mine.gguf")
    eventually(lambda: any(model["name"] == "of mine.gguf" for model in running.get("/api/models").json()["models"]))
    card = open_page(running).locator(".card", has_text="of mine")
    expect(card.locator(".card-title")).to_have_text("of mine")
    expect(card.locator(".card-facts")).to_contain_text("Q8 · ")
    expect(card.locator(".card-facts")).to_contain_text("KB")
