"""Several finished tasks chosen together: one download, retried, deleted."""

from __future__ import annotations

import zipfile

from seedvr2.errors import MediaError
from tests.daemon.conftest import Running, eventually, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open
from tests.daemon.web.test_accessibility import violations
from tests.daemon.web.test_looks import sticking_out


def test_what_is_chosen_is_downloaded_retried_and_deleted_together(running: Running, open_page: Open) -> None:
    running.executor.errors.append(MediaError("Frame 7 is damaged."))
    for name, colour in (("failed.png", "teal"), ("one.png", "red"), ("two.png", "blue"), ("kept.png", "lime")):
        running.finished(running.submit(name, png(colour)))
    page = open_page(running, viewport={"width": 360, "height": 740}, color_scheme="dark")
    cards, bar = page.locator("#history .result"), page.locator("#history .chosen")
    expect(cards).to_have_count(4)
    expect(bar).to_be_hidden()
    box = cards.filter(has_text="one.png").get_by_role("checkbox")
    box.focus()
    box.press("Space")
    expect(bar).to_contain_text("1 chosen")
    expect(bar.get_by_role("button", name="Try again")).to_be_hidden()
    for name in ("two.png", "failed.png"):
        cards.filter(has_text=name).get_by_role("checkbox").check()
    expect(bar).to_contain_text("3 chosen")
    assert violations(page) == []
    assert sticking_out(page) == []
    with page.expect_download() as download:
        bar.get_by_role("button", name="Download as zip").click()
    with zipfile.ZipFile(download.value.path()) as opened:
        assert [name.partition("_")[0] for name in sorted(opened.namelist())] == ["one", "two"]
        assert opened.testzip() is None
    bar.get_by_role("button", name="Try again").click()
    expect(bar).to_be_hidden()
    expect(cards).to_have_count(5)
    assert [job.state.value for job in running.history() if job.draft.retry_of] == ["completed"]
    bar_all = cards.first.get_by_role("checkbox")
    bar_all.check()
    bar.get_by_role("button", name="All shown").click()
    cards.filter(has_text="kept.png").get_by_role("checkbox").uncheck()
    bar.get_by_role("button", name="Delete").click()
    expect(page.locator("#confirm")).to_contain_text("Delete 4 tasks")
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(cards).to_have_count(1)
    expect(bar).to_be_hidden()
    eventually(lambda: [each.name.partition("_")[0] for each in running.results()] == ["kept"])
