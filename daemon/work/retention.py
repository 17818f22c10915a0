"""Deletes what the configuration says may go: old uploads, old results, old history. Off means off."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from daemon.settings.keys import JobSettings
from daemon.store.job_store import JobStore
from daemon.work.operations import Operations

log = logging.getLogger(__name__)
PERIOD_S = 3600.0
DAY_S = 86400.0


class Retention:
    """Looks every hour."""

    def __init__(
        self, store: JobStore, operations: Operations, settings: JobSettings, away: Callable[[], bool]
    ) -> None:
        """`away` tells whether the disk of the inbox is missing."""
        self._away = away
        self._store = store
        self._operations = operations
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name="retention", daemon=True)

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def apply(self, now: float) -> None:
        """Delete what is too old at `now` of the store's clock."""
        settings = self._settings
        for days, remove in (
            (settings.uploads_days, self._operations.remove_upload),
            (settings.outputs_days, self._operations.remove_result),
            (settings.outputs_days, self._operations.remove_segments),
        ):
            for job in self._store.finished_before(now - days * DAY_S) if days else ():
                try:
                    remove(job)
                except (OSError, ValueError) as error:
                    # A folder of somebody else; those behind it may go.
                    log.warning("retention: what is left of job %s stays for now: %s", job.id, error)
        if settings.history_days:
            self._store.fold_history()
        if not self._away():
            self._store.forget_missing()

    def _main(self) -> None:
        while not self._stop.is_set():
            try:
                self._store.clock.save()
                self.apply(self._store.clock.now())
            except OSError as error:
                log.warning("retention: %s; trying again in an hour", error)
            except Exception:
                # The boundary of the thread: what is odd today must not keep everything for ever.
                log.exception("retention: unexpected error; trying again in an hour")
            self._stop.wait(PERIOD_S)
