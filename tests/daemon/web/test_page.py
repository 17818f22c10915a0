"""The page as a whole: its policy, its weight, and the real engine behind it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from tests.daemon.conftest import Running, Start, png
from tests.daemon.engine.test_local_executor import clip
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Complaints, Open

WEB = Path(__file__).parents[3] / "daemon" / "web"
# What a first visit may cost, in bytes, compressed: one language of four is fetched.
WEIGHT = 90_000


def test_what_the_policy_forbids_does_not_run(running: Running, page: Any, complaints: Complaints) -> None:
    for refused in ("policy:", "Content Security Policy", "TrustedHTML", "TrustedScript"):
        complaints.expect(refused)
    policy = running.get("/").headers["Content-Security-Policy"]
    assert "'unsafe" not in policy
    page.evaluate("""() => {
        const script = document.createElement("script");
        try { script.textContent = "document.title = 'run'"; document.head.append(script); } catch {}
        try { document.body.innerHTML = "<img src=x onerror=\\"document.title = 'run'\\">"; } catch {}
    }""")
    assert page.title() == "SeedVR2"
    assert any("policy:" in each or "Trusted" in each for each in complaints)


def test_the_page_is_light_and_needs_nobody_else(running: Running, open_page: Open) -> None:
    page = open_page(running)
    sent = page.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    assert all(url.startswith(running.service.url) for url in sent)
    files = [file for file in WEB.rglob("*") if file.is_file() and file.parent.name != "lang"]
    files.append(WEB / "lang" / "zh-TW.json")
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < WEIGHT


def test_speed_is_told_from_whole_batches_only(page: Any) -> None:
    told = page.evaluate("""async () => {
        const { speedOf } = await import("/static/js/speed.js");
        const view = (frames_done) => ({ id: "a", status: "processing", frames_done });
        // Opened just before a batch of five frames ends; each takes ten seconds.
        const seen = [[5, 0], [10, 600], [15, 10600], [15, 15000], [20, 20600]];
        return seen.map(([frames, ms]) => speedOf(view(frames), ms));
    }""")
    assert told == [None, None, 0.5, 0.5, 0.5]


def test_a_picture_and_a_video_by_the_real_engine(start: Start, open_page: Open, tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path / "weights", ModelSettings(device="cpu"))
    page = open_page(start(executor))
    page.get_by_label("Short edge").fill("64")
    video = clip(tmp_path / "video.mp4")
    page.locator("#files").set_input_files(
        [
            {"name": "photo.png", "mimeType": "image/png", "buffer": png(size=(48, 32))},
            {"name": "video.mp4", "mimeType": "video/mp4", "buffer": video.read_bytes()},
        ]
    )
    expect(page.locator("#history .result.completed")).to_have_count(2)
    expect(page.locator("#gpu .gpu-model")).to_have_text("nano")
    for name, tag, property in (("photo.png", "img", "naturalHeight"), ("video.mp4", "video", "videoHeight")):
        page.locator("#history .result", has_text=name).locator(".card-image").click()
        expect(page.locator(f".stage .after {tag}")).to_have_js_property(property, 64)
        expect(page.locator(f".stage .before {tag}")).to_have_js_property(property, 32)
        expect(page.locator("#viewer .facts")).to_contain_text("nano")
        page.keyboard.press("Escape")
