"""The Chromium that draws the screenshots and runs the page's tests: the system's own, never a downloaded one."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-headless-shell", "google-chrome")
FLAGS = [
    "--no-sandbox",  # does not work for root, as which CI often runs
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The path of the first Chromium that is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)
