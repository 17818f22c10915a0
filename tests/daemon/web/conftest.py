"""Pages in a real browser, against a real service. What a page complains about fails its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.daemon.conftest import Running, Start
from tests.daemon.web.browser import PATIENCE_MS, chromium

HERE = Path(__file__).parent
# Heard before any script of the page runs; the browser's console has a line of it too.
WATCH_POLICY = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    # Not for the whole session: its event loop would be in the way of the tests that have one of their own.
    with chromium() as launched:
        yield launched


class Complaints(list[str]):
    """What pages complained about: errors, warnings, refusals by the policy, requests to anybody else."""

    def __init__(self) -> None:
        super().__init__()
        self._expected: list[str] = []

    def expect(self, part: str) -> None:
        """A complaint with `part` in it is what the test is about."""
        self._expected.append(part)

    @property
    def unexpected(self) -> list[str]:
        return [each for each in self if not any(part in each for part in self._expected)]

    def watch(self, page: Any, origin: str) -> None:
        page.on("console", lambda message: message.type in ("error", "warning") and self._note(message))
        page.on("pageerror", lambda error: self.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._check(request.url, origin))
        page.add_init_script(WATCH_POLICY)

    def _note(self, message: Any) -> None:
        self.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _check(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "blob:", "data:")):
            self.append(f"asked somebody else: {url}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    heard = Complaints()
    yield heard
    assert heard.unexpected == []


Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, start: Start, complaints: Complaints) -> Iterator[Open]:
    """Opens the page of a service in a context of its own, or (`beside`) as another tab of a page's."""
    contexts = []

    def begin(running: Running, fragment: str = "", *, beside: Any = None, ready: bool = True, **options: Any) -> Any:
        if beside is None:
            contexts.append(browser.new_context(**({"locale": "en-GB"} | options)))
        page = (beside.context if beside else contexts[-1]).new_page()
        page.set_default_timeout(PATIENCE_MS)
        complaints.watch(page, running.service.url)
        page.goto(f"{running.service.url}/{fragment}")
        if ready:
            page.locator("body[data-ready]").wait_for()
        return page

    yield begin
    for context in contexts:
        context.close()


def unfold_settings(page: Any) -> None:
    """Show every control."""
    page.locator("#settings details").evaluate_all("(all) => all.forEach((each) => (each.open = true))")


def posts(page: Any) -> list[str]:
    """The paths that the page posts to from now on."""
    seen: list[str] = []
    page.on("request", lambda asked: asked.method == "POST" and seen.append(urlsplit(asked.url).path))
    return seen


@pytest.fixture
def page(open_page: Open, running: Running) -> Any:
    """The page of `running`."""
    return open_page(running)
