"""Files go from the browser to the service, with their settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import Running, Start, picture, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Complaints, Open

SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
FAST = SLOW | {"uploadThroughput": -1}


def file(name: str, content: bytes | None = None) -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": content or png()}


def drop(page: Any, *paths: Path) -> None:
    """What a real drag of files and folders from a file manager does."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        if kind == "drop":
            expect(page.locator("#drop-veil")).to_be_visible()
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 300, "data": data})
    expect(page.locator("#drop-veil")).to_be_hidden()


def test_one_file_is_sent_and_becomes_a_result(running: Running, page: Any) -> None:
    with page.expect_file_chooser() as chooser:
        # The browser needs a moment to hand its dialogs over.
        page.get_by_role("button", name="Choose files").hover()
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(file("照片.png"))
    expect(page.locator("#history .result.completed")).to_have_count(1)
    expect(page.locator("#history .row-name")).to_have_text("照片.png")
    (job,) = running.history()
    assert job.draft.original_filename == "照片.png"
    assert job.draft.origin == "api"
    expect(page.locator("#uploads .upload")).to_have_count(0)


def test_several_files_and_a_folder_are_dropped_at_once(running: Running, page: Any, tmp_path: Path) -> None:
    for name in ("album/one.png", "album/deep/two.png", "three.png"):
        picture(tmp_path / "from" / name)
    (tmp_path / "from/album/notes.txt").write_text("Only pictures and videos of a folder are taken.")
    drop(page, tmp_path / "from/album", tmp_path / "from/three.png")
    expect(page.locator("#history .result.completed")).to_have_count(3)
    assert {job.draft.original_filename for job in running.history()} == {"one.png", "two.png", "three.png"}


def test_the_progress_of_an_upload_is_seen(running: Running, page: Any) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", SLOW)
    noise = png() + os.urandom(3_000_000)
    page.locator("#files").set_input_files([file("a.png", noise), file("b.png", noise), file("c.png")])
    # No more than two at once; the others say that they wait.
    expect(page.locator("#uploads")).to_contain_text("Waits to be sent")
    # Under way: neither none of it nor all.
    expect(page.locator("#uploads .upload").first).to_contain_text(re.compile(r"[1-9]\d? % · 3.0 MB"))
    assert 0 < page.locator("#uploads progress").first.evaluate("(bar) => bar.value") < 1
    devtools.send("Network.emulateNetworkConditions", FAST)
    expect(page.locator("#history .result.completed")).to_have_count(3)


def test_an_upload_can_be_stopped(running: Running, page: Any, tmp_path: Path) -> None:
    # So large that it takes seconds on any machine; a throttled connection is not always throttled at once.
    long = tmp_path / "a.png"
    with long.open("wb") as stream:
        stream.truncate(1_500_000_000)
    page.locator("#files").set_input_files(long)
    expect(page.locator("#uploads")).to_contain_text(re.compile(r"[1-9]\d? %"))
    page.get_by_role("button", name="Stop sending").click()
    expect(page.locator("#uploads .upload")).to_have_count(0)
    page.locator("#files").set_input_files(file("b.png"))
    expect(page.locator("#history .result.completed")).to_have_count(1)
    assert [job.draft.original_filename for job in running.history()] == ["b.png"]


def test_a_file_that_is_refused_says_why_and_stays_until_it_is_dismissed(page: Any, complaints: Complaints) -> None:
    complaints.expect("status of 400")
    page.locator("#files").set_input_files([file("notes.png", b"this is no picture"), file("good.png")])
    row = page.locator("#uploads .upload.failed")
    expect(row).to_contain_text("neither a picture nor a video")
    expect(page.locator("#history .result.completed")).to_have_count(1)
    expect(row.get_by_role("button", name="Send again")).to_be_visible()
    row.get_by_role("button", name="Stop sending").click()
    expect(page.locator("#uploads .upload")).to_have_count(0)


def test_a_file_that_is_too_large_is_refused_with_the_servers_sentence(
    start: Start, open_page: Open, complaints: Complaints
) -> None:
    complaints.expect("status of 413")
    complaints.expect("ERR_CONNECTION")
    page = open_page(start(SEEDVR2_SERVER_MAX_UPLOAD_MB="1"))
    page.locator("#files").set_input_files(file("large.png", png() + bytes(3 << 20)))
    expect(page.locator("#uploads .upload.failed .row-detail")).to_contain_text("large")


def test_a_file_goes_with_the_settings_that_were_shown(running: Running, page: Any) -> None:
    page.get_by_role("button", name="720p").click()
    page.get_by_label("Colours").select_option("adain")
    page.locator("#files").set_input_files(file("a.png"))
    expect(page.locator("#history .result.completed")).to_have_count(1)
    (job,) = running.history()
    assert job.draft.options["resolution"] == 720
    assert job.draft.options["color_correction"] == "adain"


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>.png", '"><script>alert(1)</script>.png', "a&amp;b.png"])
def test_a_name_that_looks_like_markup_is_text(running: Running, page: Any, complaints: Complaints, name: str) -> None:
    running.submit(name)
    shown = page.locator("#history .row-name")
    expect(shown).to_have_count(1)
    (job,) = running.history()
    expect(shown).to_have_text(job.draft.original_filename)
    shown.click()
    expect(page.locator("#viewer-name")).to_have_text(job.draft.original_filename)
    assert page.locator("#history img[src='x'], #viewer img[src='x'], #history script").count() == 0
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#confirm-text")).to_contain_text(job.draft.original_filename)
