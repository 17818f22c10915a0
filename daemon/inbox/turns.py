"""Whose turn it is: tries the new files, each when it is due, and does what comes of that."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from daemon.inbox.after import Aftermath
from daemon.inbox.downloads import goes_on
from daemon.inbox.intake import Answer, Intake, Verdict
from daemon.inbox.names import joined_name
from daemon.inbox.problems import Problems
from daemon.inbox.refusals import Refusals
from daemon.inbox.scan import Found
from daemon.inbox.settle import Settler, Signature
from daemon.inbox.sidecar import companions
from daemon.inbox.suspects import MAX_ENDS
from daemon.settings.config import Config
from daemon.store.safe_open import fingerprint

log = logging.getLogger(__name__)
# How soon it is asked again whether a suspect would be alone.
ALONE_S = 1.0
# A file that takes longer is followed by a new look at the folder.
SLOW_S = 10.0
GIVEN_UP = (
    f"The service ended abruptly {MAX_ENDS} times while it looked into this file, the last times with nothing else to "
    "do, so the file was put aside. Drop it again to have it tried again."
)


class Turns:
    """Tries files in their order; those over which the service ended abruptly last, and each alone.

    Args:
        alone: whether nothing else is going on that could end the service, or be ended with it.
    """

    def __init__(
        self, config: Config, intake: Intake, aftermath: Aftermath, refusals: Refusals, alone: Callable[[], bool]
    ) -> None:
        self._config = config
        self._intake = intake
        self._suspects = intake.suspects
        self._aftermath = aftermath
        self._refusals = refusals
        self._alone = alone
        self._settler = Settler(config.inbox.settle_s)
        self.problems = Problems()

    def take(self, fresh: list[Found], stopping: Callable[[], bool]) -> None:
        """Go once through all files that have not been dealt with yet."""
        present = {each.path: each.fingerprint for each in fresh}
        self._settler.forget_others(present.keys())
        self.problems.keep_only({str(path) for path in present})
        self._suspects.keep_only(present)
        doubtful = [each for each in fresh if self._suspects.ends(each.path, each.fingerprint)]
        others = [each for each in fresh if each not in doubtful] if doubtful else fresh
        # Files that were tried in vain come last: one over which the decoders hang takes a minute each time.
        for found in sorted(others, key=lambda each: self._settler.tried(each.path)):
            if stopping():
                return
            began = time.monotonic()
            self._guarded(self._consider, found)
            if time.monotonic() - began > SLOW_S:
                # What has come meanwhile is seen first.
                return
        for found in doubtful:
            if stopping():
                return
            self._guarded(self._suspect, found, all(self._settler.tried(each.path) for each in others))

    def next_due(self) -> float:
        """When the next file may be ready, in monotonic seconds; infinite if none waits."""
        return self._settler.next_due()

    def _guarded(self, action: Callable[..., None], found: Found, *more: object) -> None:
        try:
            action(found, *more)
        except Exception:
            # The boundary around each file: one odd one must not hold up those behind it.
            log.exception("inbox: unexpected error over %s; it is tried again", found.path.name)
            self._settler.postpone(found.path, time.monotonic())

    def _suspect(self, found: Found, last: bool) -> None:
        now = time.monotonic()
        if not self._settler.observe(found.path, self._signature(found), now):
            return
        if self._suspects.ends(found.path, found.fingerprint) >= MAX_ENDS:
            self._put_away(found, Answer(Verdict.REFUSED, GIVEN_UP), now)
            self._suspects.clear(found.path)
        elif last and self._alone():
            log.warning("inbox: %s is looked into again, alone", found.path.name)
            self._consider(found)
        else:
            self._settler.delay(found.path, now + ALONE_S)

    def _consider(self, found: Found) -> None:
        now = time.monotonic()
        if not self._settler.observe(found.path, self._signature(found), now):
            return
        stable = self._settler.unchanged_s(found.path, now)
        patient = stable < self._config.inbox.settle_s + self._config.inbox.give_up_s
        if joined_name(found.path.name) and (patient or goes_on(self._config.paths.inbox, found)):
            # It vanishes when it is joined with the others; if that never happens, it is what somebody calls a file.
            self._settler.postpone(found.path, now)
            return
        answer = self._intake.take(found, incomplete=not patient)
        if answer.problem:
            self.problems.tell(str(found.path), answer.problem)
        else:
            self.problems.clear(str(found.path))
        if answer.verdict is Verdict.LATER:
            if patient and not self._settler.tried(found.path):
                log.info("inbox: %s: %s It is tried again, since more of it may come", found.path.name, answer.reason)
            answer = Answer(Verdict.WAIT if patient else Verdict.REFUSED, answer.reason)
        if answer.verdict is Verdict.WAIT:
            self._settler.postpone(found.path, now)
        elif answer.verdict is not Verdict.TAKEN:
            self._put_away(found, answer, now)

    def _put_away(self, found: Found, answer: Answer, now: float) -> None:
        log.warning("inbox: %s: %s", found.path.name, answer.reason)
        try:
            if answer.verdict is Verdict.REFUSED:
                self._refusals.put_aside(found, answer.reason)
            elif answer.verdict is Verdict.PARKED:
                self._refusals.leave(found, answer.reason)
            elif answer.verdict is Verdict.DUPLICATE:
                moved = self._aftermath.pass_duplicate(found, answer.reason)
                if answer.draft is not None:
                    self._refusals.pass_over(answer.draft, answer.reason, moved)
        except OSError:
            # Told by the one that raised it.
            self._settler.postpone(found.path, now)
        else:
            self._settler.park(found.path)

    def _signature(self, found: Found) -> Signature:
        beside = companions(self._config.paths.inbox, found.path, found.folder)
        return (found.fingerprint, *(_stat_of(file) for file in beside))


def _stat_of(file: Path) -> tuple[int, ...]:
    try:
        return fingerprint(os.lstat(file))
    except OSError:
        return ()
