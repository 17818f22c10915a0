"""The system view: folders, versions, the end of the log."""

from __future__ import annotations

import logging

import pytest

from daemon.outside.logs import TAIL
from tests.daemon.conftest import Running
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open
from tests.daemon.web.test_accessibility import violations
from tests.daemon.web.test_looks import sticking_out


@pytest.mark.parametrize(("scheme", "width"), [("dark", 360), ("light", 1280)])
def test_folders_versions_and_the_log(running: Running, open_page: Open, scheme: str, width: int) -> None:
    TAIL.emit(logging.makeLogRecord({"levelno": 30, "levelname": "WARNING", "name": "daemon.x", "msg": "look <b>here"}))
    page = open_page(running, color_scheme=scheme, viewport={"width": width, "height": 740})
    page.get_by_role("link", name="System").click()
    view = page.get_by_role("dialog", name="System")
    row = view.get_by_role("row").filter(has=page.get_by_role("rowheader", name="outputs"))
    expect(row).to_contain_text(str(running.outputs))
    expect(row).to_contain_text(" of ")
    expect(view.locator("dt", has_text="Python")).to_have_count(1)
    expect(view.locator(".log-line.warning").last).to_contain_text("warning x look <b>here")
    assert violations(page) == []
    assert sticking_out(page) == []
    view.get_by_label("From which level on").select_option("error")
    # Errors of other tests in this process may be there.
    expect(view.locator(".log-line.warning")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    expect(page).to_have_url(f"{running.service.url}/")
    page.goto(f"{running.service.url}/#system")
    expect(view.get_by_role("rowheader", name="inbox")).to_be_visible()
