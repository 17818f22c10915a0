"""The browser of the tests: Debian's Chromium, driven by Playwright.

Without either of them its tests are skipped, or fail where SEEDVR2_REQUIRE_BROWSER is set, as in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from benchmarks.chromium import FLAGS, find_chromium

# Far longer than anything takes on an idle machine.
PATIENCE_MS = int(os.environ.get("SEEDVR2_TEST_PATIENCE_MS", "60000"))
try:
    from playwright.sync_api import expect
except ImportError:
    expect: Any = None
else:
    expect.set_options(timeout=PATIENCE_MS)


def do_without(reason: str) -> NoReturn:
    """Skip the test, or the module that is being imported; fail it where it must run."""
    if os.environ.get("SEEDVR2_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    executable = find_chromium()
    if executable is None:
        do_without("no Chromium here: apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        do_without("Playwright is not installed: pip install playwright (its own browsers are not needed)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()
