"""What fetches one model on a machine of the cluster: an actor of Ray without a GPU. Nothing here knows of Ray.

The download is the one of the service, in a process of its own, which ends when this one does. All answers are JSON.
"""

from __future__ import annotations

import importlib
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daemon.engine.pull_process import PullProcess, Step
from daemon.engine.pull_room import no_room_for
from daemon.errors import ServiceError
from seedvr2.catalogue.registry import find
from seedvr2.errors import SeedVR2Error

# Until there is an answer though nothing has moved.
QUIET_S = 5.0
# Calls at a time: what fetches, what asks how far that is, what ends it.
CALLS = 3


class Fetcher:
    """`run` in one thread; the rest in any. The models folders are those of this machine's own configuration.

    Args:
        model: its file. main: the module that the download runs.
    """

    def __init__(self, model: str, main: str) -> None:
        self._model = model
        self._main = main
        self._changed = threading.Condition()
        self._process: PullProcess | None = None
        self._step: Step | None = None
        self._number = 0
        self._ended = False

    def run(self) -> str:
        """Fetch it; answers why it failed, in a sentence, or nothing."""
        try:
            return self._fetch()
        except (ServiceError, SeedVR2Error) as error:
            return str(error)
        except OSError as error:
            return f"{self._model} cannot be fetched now: {error.filename or 'its folder'}: {error.strerror}."
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def told(self, seen: int) -> dict[str, Any] | None:
        """How far it is, as soon as that is news to who has `seen` so many steps; None once it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._number > seen, QUIET_S)
            if self._ended:
                return None
            return {"number": self._number, "step": asdict(self._step) if self._step else None}

    def end(self) -> None:
        """Give it up; what was fetched so far stays."""
        with self._changed:
            self._ended, process = True, self._process
        if process is not None:
            process.end()

    def _fetch(self) -> str:
        config: Any = importlib.import_module("daemon.settings.config")
        places: Any = importlib.import_module("daemon.settings.shelves")
        folders: tuple[Path, ...] = places.shelves(config.load_config())
        lacking = no_room_for(find(self._model), folders)
        if lacking:
            return lacking
        with self._changed:
            if self._ended:
                return ""
            self._process = process = PullProcess(self._model, folders, main=self._main)
        return process.run(self._stepped)

    def _stepped(self, step: Step) -> None:
        with self._changed:
            self._step = step
            self._number += 1
            self._changed.notify_all()
