"""Logging: text on a terminal, priorities for journald, one JSON object a line on request."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# syslog(3), as journald reads it from the beginning of a line.
KEPT_LINES = 1000
LONGEST_LINE = 2000
LONGEST_NAME = 100
# Whose lines are kept: ours, the engine's, and those of the processes that look into files of strangers.
PROCESSES = ("service", "engine", "files")
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def set_up(level: str, form: str) -> None:
    """Send the log to standard error in `form`; uncaught errors of threads go there too."""
    if form == "auto":
        form = "journald" if _stderr_is_journal() else "text"
    handler = _Handler(sys.stderr)
    handler.setFormatter(FORMATTERS[form]())
    root = logging.getLogger()
    root.handlers[:] = [handler, TAIL]
    root.setLevel(LEVELS[level])
    # Each request of a slow client would be a warning there; ours are counted in /metrics.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # Our own refusal says what is wrong with a form.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    threading.excepthook = _thread_died


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log; `time` in seconds since 1970, `level` as in LEVELS or `critical`, `process` of PROCESSES."""

    time: float
    level: str
    logger: str
    message: str
    process: str = PROCESSES[0]


class Tail(logging.Handler):
    """Keeps the last lines of the log of this process, and of its children, for who cannot read the journal."""

    def __init__(self, most: int = KEPT_LINES) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; a longer text is cut, and what an error brings along stays in the log itself."""
        try:
            message = _plain(record.getMessage())[:LONGEST_LINE]
        except Exception:
            self.handleError(record)
            return
        self._lines.append(Line(record.created, record.levelname.lower(), record.name, message))

    def keep(self, process: str, level: str, logger: str, message: str) -> None:
        """Keep a line that a child has said now; a child that a file has taken over may say anything."""
        if level in (*LEVELS, "critical"):
            logger, message = _plain(logger[:LONGEST_NAME]), _plain(message[:LONGEST_LINE])
            self._lines.append(Line(time.time(), level, logger, message, process))

    def last(self, count: int, level: int = logging.DEBUG) -> list[Line]:
        """The last `count` lines of at least this level, oldest first."""
        found = [line for line in list(self._lines) if logging.getLevelNamesMapping()[line.level.upper()] >= level]
        return found[-count:]


class Teller(logging.Handler):
    """Says each line to `tell`, with its level, its logger and its text: a child to the service."""

    def __init__(self, tell: Callable[[str, str, str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Say it; what an error brings along stays in the log itself."""
        try:
            message = record.getMessage()[:LONGEST_LINE]
        except Exception:
            self.handleError(record)
            return
        self._tell(record.levelname.lower(), record.name, message)


class _Handler(logging.StreamHandler[TextIO]):
    """Loses what cannot be written, for a full disk or a reader that is gone: no work may fail because of its log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """There is nowhere left to say it."""


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00 WARNING worker: message`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The text; names of files may hold characters that would fool a terminal or fake a line."""
        message = super().format(record)
        first, _, rest = message.partition("\n")
        return _plain(first) + ("\n" + rest if rest and (record.exc_info or record.exc_text) else _plain(rest))


class JournalFormatter(TextFormatter):
    """`<4>worker: message`: the journal has the time and the priority itself."""

    def __init__(self) -> None:
        logging.Formatter.__init__(self, "%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Every line with its priority."""
        prefix = f"<{PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).split("\n"))


class JsonFormatter(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "thread": record.threadName,
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


TAIL = Tail()
FORMATTERS: dict[str, type[logging.Formatter]] = {
    "text": TextFormatter,
    "journald": JournalFormatter,
    "json": JsonFormatter,
}


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _stderr_is_journal() -> bool:
    """systemd says in JOURNAL_STREAM which device and inode its journal socket has."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(sys.stderr.fileno())
        return (status.st_dev, status.st_ino) == (int(device), int(inode))
    except (ValueError, OSError, AttributeError):
        # Standard error may be closed, or none at all.
        return False


def _thread_died(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else "?"
    if args.exc_value is not None:
        info: tuple[type[BaseException], BaseException, TracebackType | None]
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger(__name__).critical("thread %s ended by an error", name, exc_info=info)
