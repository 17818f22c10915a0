"""Takes the screenshots in `docs/images`: a real daemon with the embedded model, real jobs, a real Chromium.

    make screenshots

Needs Chromium (Debian's `chromium`). Takes some minutes on a processor.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.chromium import FLAGS, find_chromium
from benchmarks.daemons import daemon
from benchmarks.runs import CLIP, images_of

IMAGES = Path(__file__).parent.parent / "docs" / "images"
WIDE, NARROW = (1360, 860), (390, 844)
RESOLUTION = 360
# Large enough to be still running while the pictures are taken.
LONG_RESOLUTION = 1080
PATIENCE_MS = 600_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the screenshots of the page.")
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES)
    target: Path = parser.parse_args().folder
    target.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="seedvr2d-screenshots-"))
    try:
        with daemon(folder, RESOLUTION) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            shown = fill(address, folder)
            take_all(browser, address, target, shown)
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(address: str, folder: Path) -> str:
    """Finished tasks, a failed one, a running one and waiting ones. Answers the id of the video's."""
    stills = make_stills(folder / "stills")
    fail(address, stills["Old postcard.png"], folder)
    for name in ("Rooftops at dusk.png", "Crossing.png", "港の夜景.png"):
        wait(address, submit(address, stills[name]))
    shutil.copy(stills["Skyline.png"], folder / "inbox" / "Skyline.png")
    video = submit(address, CLIP, "Evening traffic.mp4")
    wait(address, video)
    submit(address, CLIP, "Main street 1974.mp4", resolution=LONG_RESOLUTION)
    submit(address, CLIP, "City by night.mp4", priority="high")
    submit(address, stills["城市天际线.png"], resolution=2160, priority="low")
    return video


def make_stills(folder: Path) -> dict[str, Path]:
    """Different parts of different frames of the clip, as small pictures."""
    folder.mkdir()
    names = ["Rooftops at dusk", "Crossing", "港の夜景", "Skyline", "Old postcard", "城市天际线"]
    frames = images_of(CLIP)
    stills = {}
    for index, name in enumerate(names):
        frame: Image.Image = frames[index * (len(frames) - 1) // (len(names) - 1)]
        width, height = frame.size
        left = index * width // (2 * len(names))
        path = stills[f"{name}.png"] = folder / f"{name}.png"
        frame.crop((left, height // 5 * (index % 2), left + width // 2, height * (4 + index % 2) // 5)).save(path)
    return stills


def submit(address: str, file: Path, name: str | None = None, **fields: object) -> str:
    with file.open("rb") as stream:
        form = {"file": (name or file.name, stream)}
        answer = requests.post(f"{address}/api/process", files=form, data=fields, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["task_id"])


def wait(address: str, task: str) -> None:
    while requests.get(f"{address}/api/status/{task}", timeout=60).json()["status"] in ("queued", "processing"):
        time.sleep(0.5)


def fail(address: str, file: Path, folder: Path) -> None:
    """A task whose source vanishes while it waits for another one."""
    first, second = submit(address, CLIP), submit(address, file)
    for upload in (folder / "state" / "uploads").rglob(file.name):
        upload.unlink()
    requests.post(f"{address}/api/tasks/{first}/cancel", timeout=60)
    wait(address, second)
    requests.delete(f"{address}/api/tasks/{first}", timeout=60)


def take_all(browser: Browser, address: str, target: Path, video: str) -> None:
    page = open_page(browser, address, WIDE, "light")
    bar = page.locator("article.now progress")
    while not 20 < bar.evaluate("(bar) => bar.value") < 95:
        page.wait_for_timeout(200)
    shot(page, target / "page.png")
    shot(open_page(browser, address, WIDE, "dark"), target / "page-dark.png")
    shot(open_page(browser, address, NARROW, "light"), target / "page-narrow.png")
    page = open_page(browser, address, WIDE, "dark", f"#task/{video}")
    for _ in range(9):
        page.get_by_role("button", name="One frame on").click()
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    shot(page, target / "viewer.png")


def open_page(browser: Browser, address: str, size: tuple[int, int], scheme: Any, fragment: str = "") -> Page:
    viewport: Any = {"width": size[0], "height": size[1]}
    page = browser.new_page(viewport=viewport, color_scheme=scheme, locale="en-GB")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/{fragment}")
    page.locator("body[data-ready]").wait_for()
    if fragment:
        page.locator(".stage .after .media").wait_for()
    page.locator(".result .stamp.seen").first.wait_for(state="attached")
    return page


def shot(page: Page, file: Path) -> None:
    # Thumbnails that come last, and the end of every transition.
    page.wait_for_timeout(1500)
    page.screenshot(path=file)
    page.close()
    print(f"{file.name}: {file.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
