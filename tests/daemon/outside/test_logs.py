"""The log: no work fails because a line of it cannot be written."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from daemon.outside import logs

log = logging.getLogger("test")


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise ValueError("I/O operation on closed file.")


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


class Stuck(io.StringIO):
    def write(self, _text: str) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["auto", "text", "journald", "json"])
@pytest.mark.parametrize("stderr", [Closed(), Full(), Stuck(), None], ids=["closed", "full", "stuck", "none"])
def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, stderr: TextIO | None, form: str
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.set_up("info", form)
    log.error("a line")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("another")


@pytest.mark.usefixtures("restored")
def test_what_follows_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recovering(io.StringIO):
        failures = 1

        def write(self, text: str) -> int:
            if self.failures:
                self.failures -= 1
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Recovering()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up("info", "text")
    log.error("lost")
    log.error("kept")
    assert "kept" in stream.getvalue()
    assert "lost" not in stream.getvalue()
