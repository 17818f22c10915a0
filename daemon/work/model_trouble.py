"""Is the model that a job is to run with there, and all that it needs? While it is not, the job waits.

Another model, the small embedded one above all, never runs in its place: nobody would notice. What is missing is told
wherever trouble is told, and a job that names another model is not held up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from daemon.engine.executor import Executor
from daemon.jobs.job import Job
from seedvr2.catalogue.registry import TEXT
from seedvr2.errors import (
    IncompleteModelError,
    MachineError,
    ModelNotInstalledError,
    NeverFitsError,
    OptionError,
    SeedVR2Error,
)
from seedvr2.nano import NAME as NANO

# The name that stands for the best model that is here.
AUTO = "auto"
log = logging.getLogger(__name__)
LOOK_S = 2.0
# Where nothing waits, nobody needs to know at once; asking may start the engine.
IDLE_S = 300.0
# Whatever the jobs ask for, no more are looked for at a time.
MOST = 32


class ModelTrouble:
    """What the worker asks before each job. `look` is for its thread, the rest for any.

    Args:
        defaults: the names that jobs have which name none themselves: that nothing is behind them is the settings'
            fault and no job's.
        fetch_embedding: told that only the text embedding is missing.
        before: the model that the last job ran with which named none, in an earlier run of the service; empty if none.
    """

    def __init__(
        self, executor: Executor, defaults: Iterable[str], fetch_embedding: Callable[[], None], *, before: str = ""
    ) -> None:
        self._executor = executor
        self._defaults = tuple(dict.fromkeys(("", *defaults)))
        self._fetch_embedding = fetch_embedding
        self._reasons: dict[str, str] = {}
        self._next = 0.0
        # The model of jobs that name none; empty while that is not known.
        self.default = ""
        self._before = before

    @property
    def problems(self) -> list[str]:
        """Why jobs wait, or would wait, a sentence each."""
        return list(dict.fromkeys(self._reasons.values()))

    def look(self, waiting: Callable[[], Iterable[Job]]) -> None:
        """Find out what is missing; `waiting` answers the jobs that may need it."""
        now = time.monotonic()
        if now < self._next:
            return
        asked = {job.draft.model: None for job in waiting()}
        names = [*self._defaults, *list(asked)[:MOST]]
        reasons = {name: self._reason(name) for name in dict.fromkeys(names)}
        found = {name: reason for name, reason in reasons.items() if reason}
        for name, reason in found.items():
            if self._reasons.get(name) != reason:
                log.error("jobs for %s wait: %s", name or "the default model", reason)
        if self._reasons and not found:
            log.info("all models that jobs ask for are here")
        self._reasons = found
        self._next = time.monotonic() + (LOOK_S if asked or not found else IDLE_S)

    def removed(self, model: str) -> None:
        """Somebody removed this model by way of the service: then another one, whichever it is, is meant to follow."""
        if model == self._before:
            self._before = ""
        self._next = 0.0

    def ready(self, job: Job) -> bool:
        """Whether a waiting job may begin."""
        return not self.waits_for(job)

    def waits_for(self, job: Job) -> str:
        """Why a waiting job does not begin; empty where nothing is wrong with its model."""
        return self.reason(job.draft.model)

    def reason(self, model: str) -> str:
        """Why jobs that name this model wait, as of the last look."""
        return self._reasons.get(model, "")

    def _of_default(self, found: str) -> str:
        """Why jobs that name no model wait: nano is all that is left, though another one was here."""
        if found == NANO and self._before not in ("", NANO):
            return (
                f"{self._before} is not in the models folder any more, and only {NANO} is left, which does not stand "
                f"in for it; put it back or fetch one, or ask for dit_model = {NANO}."
            )
        self.default = self._before = found
        return ""

    def _reason(self, name: str) -> str:
        try:
            found = self._executor.resolve(name)
            return self._of_default(found) if name in ("", AUTO) else ""
        except IncompleteModelError as error:
            if error.name == TEXT:
                self._fetch_embedding()
            return str(error)
        except (ModelNotInstalledError, NeverFitsError, OptionError) as error:
            # A name that came with the job: the job fails over it and says so.
            return str(error) if name in self._defaults else ""
        except MachineError as error:
            log.debug("%s cannot be looked for: %s", name or "the default model", error)
            return self._reasons.get(name, "")
        except SeedVR2Error as error:
            return str(error) if name in self._defaults else ""
        return ""
