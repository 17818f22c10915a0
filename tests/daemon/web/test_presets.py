"""Presets in the page: chosen, saved, deleted."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.conftest import Start, eventually
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Complaints, Open
from tests.daemon.web.test_accessibility import violations
from tests.daemon.web.test_looks import sticking_out


def test_a_preset_is_saved_chosen_and_deleted(
    start: Start, open_page: Open, tmp_path: Path, complaints: Complaints
) -> None:
    complaints.expect("409")
    (tmp_path / "config.toml").write_text("[presets.fast]\nresolution = 720\n")
    running = start()
    page = open_page(running, viewport={"width": 360, "height": 740})
    page.locator("#settings details.all").evaluate("(all) => (all.open = true)")
    chooser, resolution = page.get_by_label("Preset", exact=True), page.get_by_label("Short edge", exact=True)
    delete = page.get_by_role("button", name="Delete the preset")
    chooser.select_option("fast")
    expect(resolution).to_have_value("720")
    expect(delete).to_be_hidden()  # the configuration has it
    resolution.fill("2000")
    expect(chooser).to_have_value("")
    page.get_by_role("button", name="Save as").click()
    name = page.get_by_label("Name of the preset")
    expect(name).to_be_focused()
    name.fill("fast")
    name.press("Enter")
    expect(page.locator(".presets .wrong")).to_contain_text("is in the configuration file")
    assert violations(page) == []
    assert sticking_out(page) == []
    name.fill("Große Bilder")
    name.press("Enter")
    expect(chooser).to_have_value("Große Bilder")
    assert running.get("/api/presets").json()["presets"][1] == {
        "name": "Große Bilder", "parameters": {"resolution": 2000}, "saved": True,
    }  # fmt: skip
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(chooser).to_have_value("")
    expect(resolution).to_have_value("1080")
    page.reload()
    page.locator("#settings details.all").evaluate("(all) => (all.open = true)")
    chooser.select_option("Große Bilder")
    expect(resolution).to_have_value("2000")
    delete.click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(chooser.get_by_role("option")).to_have_text(["Own settings", "fast"])
    eventually(lambda: len(running.get("/api/presets").json()["presets"]) == 1)
