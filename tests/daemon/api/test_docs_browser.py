"""`/docs` in a real browser, under its own policy: it shows the API, and trying it out works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon.conftest import Running, png
from tests.daemon.web.browser import PATIENCE_MS, chromium

pytestmark = pytest.mark.browser


@pytest.fixture
def page() -> Iterator[Any]:
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page


def test_a_picture_is_sent_from_the_page(running: Running, page: Any) -> None:
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{running.service.url}/docs")
    submit = page.locator("#operations-Tasks-submit_task")
    submit.locator(".opblock-summary-control").click()
    submit.locator(".try-out__btn").click()
    file = {"name": "照片.png", "mimeType": "image/png", "buffer": png()}
    submit.locator("input[type=file]").set_input_files(file)
    submit.locator(".execute").click()
    answer = submit.locator(".live-responses-table tbody")
    answer.wait_for()
    assert '"status": "queued"' in answer.inner_text()
    (job,) = running.service.store.open_jobs() or running.history()
    assert job.draft.original_filename == "照片.png"
    # Nothing was refused by the policy, and nobody else was asked.
    assert said == []
    assert all(url.startswith((running.service.url, "data:", "blob:")) for url in asked)
