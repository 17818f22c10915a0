"""Pasted files, notifications of the browser, and the page as an app."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from seedvr2.errors import MediaError
from tests.daemon.conftest import Running, eventually, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open

PASTE = """([name, bytes, target]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
    const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
    document.querySelector(target).dispatchEvent(event);
    return event.defaultPrevented;
}"""
WATCH = """
window.told = [];
window.away = false;
Object.defineProperty(document, "hidden", { get: () => window.away });
window.Notification = class extends Notification {
    constructor(title, options) { super(title, options); window.told.push([title, options.body]); }
};
"""


def test_a_pasted_picture_is_sent_and_a_text_field_keeps_its_paste(running: Running, page: Any) -> None:
    assert page.evaluate(PASTE, ["image.png", list(png("red")), "body"]) is True
    assert page.evaluate(PASTE, ["Rooftops.png", list(png("blue")), "#drop"]) is True
    assert page.evaluate(PASTE, ["image.png", list(png("lime")), "#p-resolution"]) is False
    expect(page.locator("#history .result")).to_have_count(2)
    names = sorted(job.draft.original_filename for job in running.history())
    assert names[1] == "Rooftops.png"
    assert names[0].startswith("Pasted 20") and names[0].endswith(".png")


def test_tasks_that_end_are_told_while_nobody_looks(running: Running, open_page: Open) -> None:
    page = open_page(running, permissions=["notifications"])
    page.context.add_init_script(WATCH)
    running.finished(running.submit("before.png"))
    page.reload()
    page.locator("body[data-ready]").wait_for()
    bell = page.locator("#notify")
    expect(bell).to_have_accessible_name("Notifications: off")
    bell.click()
    expect(bell).to_have_attribute("aria-pressed", "true")
    running.finished(running.submit("seen.png"))
    expect(page.locator("#history .result")).to_have_count(2)
    page.evaluate("away = true")
    running.executor.errors.append(MediaError("Frame 7 is damaged."))
    running.finished(running.submit("broken.png"))
    eventually(lambda: page.evaluate("told.length"))
    for name in ("one.png", "two.png"):
        running.finished(running.submit(name))
    eventually(lambda: page.evaluate("told.length") == 2)
    assert page.evaluate("told[0]") == ["Failed", "broken.png\nFrame 7 is damaged."]
    assert page.evaluate("told[1]")[0] == "2 tasks have ended"
    page.reload()
    expect(bell).to_have_attribute("aria-pressed", "true")


def test_who_refuses_is_told_where_to_change_it(running: Running, page: Any) -> None:
    page.locator("#notify").click()
    expect(page.locator(".toast.error")).to_contain_text("does not allow notifications")
    expect(page.locator("#notify")).to_have_attribute("aria-pressed", "false")


def test_the_page_can_be_installed_as_an_app(running: Running, page: Any) -> None:
    client = page.context.new_cdp_session(page)
    found = client.send("Page.getAppManifest")
    assert found["errors"] == [] and found["url"].endswith("/static/app.webmanifest")
    assert client.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [],
        [{"errorId": "in-incognito", "errorArguments": []}],
    )
    manifest = running.get("/static/app.webmanifest")
    assert manifest.headers["Content-Type"] == "application/manifest+json"
    for icon in manifest.json()["icons"]:
        answer = running.get(icon["src"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, icon["type"])
        if icon["type"] == "image/png":
            with Image.open(io.BytesIO(answer.content)) as image:
                assert f"{image.width}x{image.height}" == icon["sizes"]
