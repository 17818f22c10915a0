"""A service that demands a token."""

from __future__ import annotations

import pytest

from tests.daemon.conftest import Running, Start, eventually, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Complaints, Open

TOKEN = "a-long-secret-0123456789-<b>"


@pytest.fixture
def running(start: Start) -> Running:
    service = start(SEEDVR2_SERVER_TOKEN=TOKEN)
    service.http.headers["Authorization"] = f"Bearer {TOKEN}"
    return service


def test_the_page_asks_for_the_token_and_then_does_everything(
    running: Running, open_page: Open, complaints: Complaints
) -> None:
    complaints.expect("status of 401")
    running.finished(running.submit("before.png", png(size=(320, 200))))
    page = open_page(running, ready=False)
    question = page.locator("#token")
    expect(question).to_be_visible()
    expect(page.locator("#history .result")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    question.locator("#token-input").fill("wrong")
    question.get_by_role("button", name="Enter").click()
    expect(question.get_by_role("alert")).to_contain_text("not the token")
    question.locator("#token-input").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(question).to_be_hidden()
    page.locator("body[data-ready]").wait_for()
    # Pictures and events come by the cookie, since they cannot send a header.
    expect(page.locator("#history .stamp.seen")).to_have_count(1)
    page.locator("#files").set_input_files({"name": "after.png", "mimeType": "image/png", "buffer": png()})
    expect(page.locator("#history .result.completed")).to_have_count(2)
    page.locator("#history .card-image").last.click()
    expect(page.locator(".stage .media")).to_have_count(2)


def test_the_token_stays_in_its_tab_and_no_further(running: Running, open_page: Open, complaints: Complaints) -> None:
    complaints.expect("status of 401")
    page = open_page(running, ready=False)
    page.locator("#token-input").fill(TOKEN)
    page.keyboard.press("Enter")
    page.locator("body[data-ready]").wait_for()
    page.reload()
    page.locator("body[data-ready]").wait_for()
    expect(page.locator("#token")).to_be_hidden()
    kept = page.evaluate("JSON.stringify({ ...localStorage }) + document.cookie")
    assert TOKEN not in kept
    assert TOKEN not in str(page.context.cookies())
    other = open_page(running, beside=page, ready=False)
    # The cookie of the first tab lets the second one read; it cannot change anything before it has the token.
    other.locator("#pick-files").wait_for()
    running.executor.gate.clear()
    running.submit("a.png")
    other.locator(".row.now").get_by_role("button", name="Cancel").click()
    expect(other.locator("#token")).to_be_visible()
    other.locator("#token-input").fill(TOKEN)
    other.keyboard.press("Enter")
    eventually(lambda: any(job.state.value == "cancelled" for job in running.history()))
