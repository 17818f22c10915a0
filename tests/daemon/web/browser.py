"""The browser of the tests: Debian's Chromium, driven by Playwright. Without either of them its tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium. Skips the test where there is none."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium here: apt install chromium")
    reason = "Playwright is not installed: pip install playwright (its own browsers are not needed)"
    api = pytest.importorskip("playwright.sync_api", reason=reason)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()
