"""Puts a file aside as the inbox does with one that it refuses, without a service around it."""

from __future__ import annotations

import time
from pathlib import Path

from daemon.inbox.after import Aftermath
from daemon.inbox.scan import Found
from daemon.jobs.job import Draft, Job, Media


class Archive:
    """A store that forgets what it is given."""

    def archive(self, job: Job) -> None:
        pass


def refuse(after: Aftermath, found: Found, reason: str) -> None:
    media = Media("video", 0, 0, 0)
    draft = Draft(
        "inbox", str(found.path), Path(found.path).name, "", found.size, media, {}, 0.0, "1",
        folder=found.folder, fingerprint=found.fingerprint,
    )  # fmt: skip
    after(Job("00000001", 1, time.time(), draft).fail(time.time(), reason))
