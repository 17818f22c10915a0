"""`/docs` in a real browser, under its own policy: it shows the API, and trying it out works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon.conftest import Running, png

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
PATIENCE_MS = 60_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium"),
]


@pytest.fixture
def page() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    with api.sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as which CI often runs.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def test_a_picture_is_sent_from_the_page(running: Running, page: Any) -> None:
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{running.service.url}/docs")
    submit = page.locator("#operations-Tasks-submit")
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
