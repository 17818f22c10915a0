"""Tells people when a job ends, through Apprise: ntfy, Telegram, mail, the desktop and a hundred others.

Apprise is an extra (`seedvr2d[notify]`); it is imported where an address is configured, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from daemon.errors import ConfigError
from daemon.jobs.job import Job, State
from daemon.outside.courier import FIRST_PAUSE_S, Courier
from daemon.settings.keys import NotifySettings

MISSING = (
    "notify.urls needs the package apprise, which is not installed: pip install apprise in the environment of this "
    "program (pipx inject seedvr2d apprise), or leave notify.urls empty."
)
# What is being sent when the service stops waits for the next start.
PATIENCE_S = 5.0
_VERBS = {"completed": "is done", "failed": "has failed", "cancelled": "was cancelled"}
_TYPES = {"completed": "success", "failed": "failure"}


class Notification(Courier):
    """One address of Apprise."""

    def __init__(
        self,
        url: str,
        settings: NotifySettings,
        folder: Path,
        describe: Callable[[Job], dict[str, Any]],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """Raises ConfigError: Apprise is not installed, or the address, which may hold a secret, is none."""
        try:
            import apprise
        except ImportError as error:
            raise ConfigError(MISSING) from error
        # More than that would show the addresses.
        logging.getLogger("apprise").setLevel(logging.INFO)
        self._apprise = apprise.Apprise()
        scheme = url.partition("://")[0][:20]
        if not self._apprise.add(url):
            raise ConfigError(f"notify.urls: the address that begins with {scheme!r} is none that Apprise can use.")
        super().__init__(
            f"notify {scheme}",
            folder / hashlib.sha256(url.encode()).hexdigest()[:16],
            describe,
            attempts=settings.attempts,
            patience_s=PATIENCE_S,
            first_pause_s=first_pause_s,
        )
        self._failed_only = settings.when == "failed"

    @property
    def wanted(self) -> bool:
        """Always: there is none for no address."""
        return True

    def cares(self, job: Job) -> bool:
        """Whether jobs that end so are told."""
        return not self._failed_only or job.state is State.FAILED

    def _send(self, body: bytes) -> str | None:
        task = json.loads(body)["task"]
        title, text = words(task)
        if self._apprise.notify(body=text, title=title, notify_type=_TYPES.get(task["status"], "info")):
            return None
        return "the service refused it or could not be reached; the log has what Apprise says of it"


def words(task: dict[str, Any]) -> tuple[str, str]:
    """A title and a text for people, of what `GET /api/status` says of a task that has ended."""
    title = f"{task['original_filename']} {_VERBS.get(task['status'], task['status'])}"
    if task["status"] != "completed":
        return title, str(task.get("error") or title)
    took = f" in {task['process_time']:.0f} s" if task.get("process_time") is not None else ""
    made = f"{task['output_filename']}, {task['output_resolution']}, by {task['model']}{took}"
    return title, "\n".join((made, *task.get("warnings", ())))


def notifications(
    settings: NotifySettings, folder: Path, describe: Callable[[Job], dict[str, Any]]
) -> list[Notification]:
    """One for each address. Raises ConfigError."""
    return [Notification(url, settings, folder, describe) for url in _whole(settings.urls)]


def _whole(urls: tuple[str, ...]) -> Iterator[str]:
    """The addresses; what was cut at a comma within one, as the environment's list is, is whole again."""
    whole = ""
    for part in urls:
        if "://" in part and whole:
            yield whole
            whole = part
        else:
            whole = f"{whole},{part}" if whole else part
    if whole:
        yield whole
