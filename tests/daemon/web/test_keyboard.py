"""The whole way without a mouse."""

from __future__ import annotations

from typing import Any

from tests.daemon.conftest import Running, png
from tests.daemon.web.browser import expect

MANY = 80


def tab_to(page: Any, wanted: Any) -> None:
    """Press Tab until `wanted` has the focus, and see that the focus shows."""
    for _ in range(MANY):
        page.keyboard.press("Tab")
        if wanted.evaluate("(node) => node === document.activeElement"):
            outlines = "(node) => [node, ...node.children].map((each) => getComputedStyle(each).outlineStyle)"
            assert set(wanted.evaluate(outlines)) != {"none"}
            return
    raise AssertionError("Tab does not get there")


def test_from_a_file_to_its_result_and_back(running: Running, page: Any) -> None:
    tab_to(page, page.get_by_role("link", name="Skip to the queue"))
    # Asked for before the way there: the browser needs a moment to hand its dialogs over.
    with page.expect_file_chooser() as chooser:
        tab_to(page, page.get_by_role("button", name="Choose files"))
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": png(size=(320, 200))})
    title = page.locator("#history .result.completed .row-name")
    expect(title).to_have_count(1)
    page.locator("#pick-files").focus()
    tab_to(page, title)
    page.keyboard.press("Enter")
    viewer = page.locator("#viewer")
    expect(viewer.locator(".media")).to_have_count(2)
    tab_to(page, viewer.get_by_role("slider", name="Divider"))
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("slider")).to_have_attribute("aria-valuenow", "52")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(title).to_be_focused()


def test_the_focus_stays_near_when_its_row_goes(running: Running, page: Any) -> None:
    running.executor.gate.clear()
    for name in ("a.png", "b.png", "c.png"):
        running.submit(name)
    rows = page.locator("#queue li.row")
    expect(rows.locator(".row-name")).to_have_text(["b.png", "c.png"])
    cancel = rows.first.get_by_role("button", name="Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows.first.locator(":focus")).to_have_count(1)


def test_the_focus_goes_with_a_row_that_gets_another_place(running: Running, page: Any) -> None:
    running.executor.gate.clear()
    for name in ("a.png", "b.png", "c.png"):
        running.submit(name)
    names = page.locator("#queue li.row .row-name")
    expect(names).to_have_text(["b.png", "c.png"])
    priority = page.locator("#queue li.row", has_text="c.png").get_by_label("Priority")
    priority.focus()
    page.keyboard.press("ArrowUp")
    expect(names).to_have_text(["c.png", "b.png"])
    expect(priority).to_be_focused()


def test_the_skip_link_leads_to_the_queue(page: Any) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#work")).to_be_focused()


def test_a_question_is_answered_and_left_with_the_keyboard(running: Running, page: Any) -> None:
    running.submit()
    delete = page.locator("#history").get_by_role("button", name="Delete")
    delete.focus()
    page.keyboard.press("Enter")
    question = page.locator("#confirm")
    expect(question).to_be_visible()
    # What loses nothing comes first.
    expect(question.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(delete).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#history .result")).to_have_count(0)


def test_the_end_of_one_question_does_not_answer_the_next(running: Running, page: Any) -> None:
    running.submit()
    expect(page.locator("#history .result")).to_have_count(1)
    # Closed and asked anew in one go: the browser tells of the closing afterwards.
    page.evaluate("""async () => {
        const { confirm } = await import("/static/js/messages.js");
        confirm("first?", "Yes");
        document.getElementById("confirm").close();
        confirm("second?", "Yes");
        await new Promise((resolve) => setTimeout(resolve, 100));
    }""")
    question = page.locator("#confirm")
    expect(question).to_be_visible()
    expect(question).to_contain_text("second?")
