"""The queue, live: progress, cancel, priority, failures, reload, other ways in, other tabs."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.runs import CLIP
from daemon.work import model_trouble
from seedvr2.errors import IncompleteModelError, MediaError
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture, png
from tests.daemon.executors import MODELS
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Complaints, Open
from tests.daemon.web.executors import Halting
from tests.daemon.web.test_accessibility import violations


@pytest.fixture
def halting() -> Halting:
    return Halting(steps=8)


@pytest.fixture
def running(start: Start, halting: Halting) -> Running:
    return start(halting)


def test_progress_comes_by_itself(running: Running, page: Any, halting: Halting) -> None:
    expect(page.locator("#queue")).to_contain_text("Nothing to do")
    running.submit("clip.mp4", CLIP.read_bytes())
    now = page.locator(".row.now")
    expect(now.locator("progress")).to_have_js_property("value", 50)
    expect(now).to_contain_text("50 %")
    expect(now).to_contain_text("Restoring")
    expect(now).to_contain_text("frame 4 of 8")
    assert page.title() == "50 % · SeedVR2"
    halting.go.set()
    expect(page.locator("#history .result.completed")).to_have_count(1)
    expect(now).to_have_count(0)
    assert page.title() == "SeedVR2"


def test_a_running_task_is_cancelled_and_tried_again(running: Running, page: Any, halting: Halting) -> None:
    running.submit("a.png")
    page.locator(".row.now").get_by_role("button", name="Cancel").click()
    card = page.locator("#history .result.cancelled")
    expect(card).to_contain_text("Cancelled")
    halting.go.set()
    card.get_by_role("button", name="Try again").click()
    expect(page.locator("#history .result.completed")).to_have_count(1)


def test_waiting_tasks_have_their_place_a_priority_and_can_be_cancelled(
    running: Running, page: Any, halting: Halting
) -> None:
    for name in ("first.png", "second.png", "third.png"):
        running.submit(name)
    rows = page.locator("#queue li.row")
    expect(rows.locator(".row-name")).to_have_text(["second.png", "third.png"])
    expect(rows.locator(".place")).to_have_text(["2", "3"])
    expect(page.locator("#queue-note")).to_contain_text("2 waiting")
    rows.nth(1).get_by_label("Priority").select_option("high")
    expect(rows.locator(".row-name")).to_have_text(["third.png", "second.png"])
    expect(rows.locator(".place")).to_have_text(["2", "3"])
    rows.nth(1).get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(1)
    halting.go.set()
    expect(page.locator("#history .result")).to_have_count(3)
    assert {job.draft.original_filename: job.state.value for job in eventually(running.history)} == {
        "first.png": "completed",
        "second.png": "cancelled",
        "third.png": "completed",
    }


def test_a_failure_says_its_reason_and_can_be_tried_again(running: Running, page: Any, halting: Halting) -> None:
    halting.go.set()
    halting.errors.append(MediaError("Frame 7 is damaged. Convert the video and send it again."))
    running.submit("a.png")
    card = page.locator("#history .result.failed")
    expect(card.locator(".reason")).to_have_text("Frame 7 is damaged. Convert the video and send it again.")
    card.get_by_role("button", name="Try again").click()
    expect(page.locator("#history .result.completed")).to_have_count(1)
    page.locator("#history-filter").get_by_role("button", name="Failed").click()
    expect(page.locator("#history .result")).to_have_count(1)
    expect(page.locator("#history .result.failed")).to_be_visible()


def test_a_reload_keeps_everything(running: Running, page: Any, halting: Halting) -> None:
    halting.go.set()
    running.finished(running.submit("done.png"))
    halting.go.clear()
    running.submit("running.png")
    running.submit("waiting.png")
    for _ in range(2):
        expect(page.locator(".row.now .row-name")).to_have_text("running.png")
        expect(page.locator(".row.now progress")).to_have_js_property("value", 50)
        expect(page.locator("#queue li.row .row-name")).to_have_text("waiting.png")
        expect(page.locator("#history .row-name")).to_have_text("done.png")
        page.reload()


def test_what_ends_while_the_history_is_asked_for_is_not_lost(running: Running, page: Any, halting: Halting) -> None:
    halting.go.set()
    running.finished(running.submit("first.png"))
    expect(page.locator("#history .result")).to_have_count(1)
    stale = running.get("/api/queue/history?limit=24&status=all").text
    held: list[Any] = []
    page.route("**/api/queue/history*", lambda route: held.append(route))
    with page.expect_request("**/api/queue/history*"):
        page.get_by_role("button", name="All", exact=True).click()
    running.finished(running.submit("second.png"))
    expect(page.locator("#history .result")).to_have_count(2)
    with page.expect_response("**/api/queue/history*"):
        held[0].fulfill(body=stale, content_type="application/json")
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(page.locator("#history .row-name")).to_have_text(["second.png", "first.png"])


def test_a_file_dropped_into_the_inbox_appears(running: Running, page: Any, halting: Halting) -> None:
    picture(running.inbox / "holiday" / "beach.png")
    expect(page.locator(".row.now")).to_contain_text("beach.png")
    expect(page.locator(".row.now .badge")).to_have_text("Inbox")
    halting.go.set()
    expect(page.locator("#history .result.completed .badge")).to_have_text("Inbox")


def test_a_long_queue_is_cut_and_asks_for_no_task_one_by_one(running: Running, page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: "/api/status/" in request.url and asked.append(request.url))
    for number in range(104):
        running.submit(f"{number}.png")
    expect(page.locator("#queue li.row")).to_have_count(100)
    expect(page.locator("#queue")).to_contain_text("and 3 more")
    expect(page.locator("#queue-note")).to_contain_text("103 waiting")
    assert len(asked) < 10


def test_two_tabs_see_the_same(running: Running, page: Any, open_page: Open, halting: Halting) -> None:
    other = open_page(running, beside=page)
    running.submit("a.png")
    running.submit("b.png")
    for tab in (page, other):
        expect(tab.locator(".row.now progress")).to_have_js_property("value", 50)
        expect(tab.locator("#queue li.row .row-name")).to_have_text("b.png")
    other.locator("#queue li.row").get_by_role("button", name="Cancel").click()
    halting.go.set()
    for tab in (page, other):
        expect(tab.locator("#history .result.cancelled")).to_contain_text("b.png")
        expect(tab.locator("#history .result.completed")).to_contain_text("a.png")
    page.locator(".result.completed").get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    for tab in (page, other):
        expect(tab.locator("#history .result.completed")).to_have_count(0)


def test_a_server_that_comes_back_is_found_again(
    start: Start, open_page: Open, complaints: Complaints, halting: Halting
) -> None:
    complaints.expect("ERR_")
    halting.go.set()
    first = start(halting)
    port = str(first.service.api.port)
    page = open_page(first)
    first.finished(first.submit("before.png"))
    expect(page.locator("#history .result")).to_have_count(1)
    first.service.stop()
    expect(page.locator("#notices")).to_contain_text("cannot be reached")
    second = start(PORT=port)
    expect(page.locator("#notices")).to_be_empty()
    second.submit("after.png")
    expect(page.locator("#history .result")).to_have_count(2)
    assert second.executor.running.wait(PATIENCE_S)


def test_the_queue_is_paused_and_goes_on(running: Running, page: Any, halting: Halting) -> None:
    running.submit("first.png")
    running.submit("second.png")
    expect(page.locator("#hold-now")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#queue-note")).to_have_text("paused · 1 waiting", use_inner_text=True)
    page.get_by_role("button", name="Stop the running task now").click()
    expect(page.locator(".row.now")).to_have_count(0)
    expect(page.locator("#queue li.row .row-name")).to_have_text(["first.png", "second.png"])
    halting.go.set()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#history .result.completed")).to_have_count(2)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_card_keeps_the_size_of_its_source_and_its_model_over_a_reload(
    running: Running, page: Any, halting: Halting
) -> None:
    halting.go.set()
    running.finished(running.submit("a.png", png(size=(40, 30))))
    halting.errors.append(MediaError("Frame 7 is damaged."))
    running.finished(running.submit("b.png", png(size=(20, 10)), resolution=1080))
    for _ in range(2):
        expect(page.locator(".result.completed")).to_contain_text("40 × 30 → 80 × 60 · nano")
        expect(page.locator(".result.failed")).to_contain_text("20 × 10 → 1080p · nano")
        page.reload()


def test_the_rest_of_the_queue_and_of_its_running_task_are_counted_alike(
    running: Running, page: Any, halting: Halting
) -> None:
    running.submit("first.png")
    running.submit("second.png")
    left = page.locator(".row.now .row-foot .row-detail")
    expect(left).to_contain_text("left")
    expect(page.locator(".row.now")).to_contain_text("nano")
    expect(page.locator("#queue li.row")).to_contain_text("nano")
    # As if the engine had become slower than was thought when the queue was asked.
    seen = page.evaluate("""async () => {
        const { Tasks } = await import("/static/js/tasks.js");
        const tasks = new Tasks();
        await tasks.refresh();
        const { queue, running } = tasks;
        const others = queue.estimated_total_wait - queue.processing.eta_s;
        tasks.take({ ...running, eta_s: 4000 }, "progress");
        return [tasks.allDoneIn, 4000 + Math.max(others, 0)];
    }""")
    assert seen[0] == seen[1] >= 4000


def test_a_queue_that_cannot_begin_says_why_and_when_it_may(
    start: Start, open_page: Open, halting: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_trouble, "LOOK_S", 0.05)
    reason = "x needs a VAE: it is not here. Fetch it with `seedvr2 models pull vae`."

    def lacks(self: Halting, model: str) -> str:
        if model == "":
            raise IncompleteModelError(reason, "ema_vae_fp16.safetensors", "x")
        return MODELS[0]

    monkeypatch.setattr(Halting, "resolve", lacks)
    running = start(halting, SEEDVR2_QUEUE_HOURS="00:00-24:00")
    running.submit("a.png")
    eventually(lambda: running.get("/api/queue/status").json()["paused"] == reason)
    page = open_page(running)
    expect(page.locator("#notices")).to_contain_text(reason)
    expect(page.locator("#queue-note")).to_have_text("runs 00:00-24:00 · nothing is begun, as said above · 1 waiting")
    running.submit("b.png", dit_model=MODELS[0])
    expect(page.locator(".row.now .row-name")).to_have_text("b.png")
    # Not all of them wait for it now; the one that does says so.
    expect(page.locator("#queue li.row")).to_contain_text(reason)
    assert violations(page) == []
