"""A pull in a process of its own: `python -m seedvr2.catalogue.pull_main NAME FOLDER…`, started by the service.

What happens is told on standard output, a JSON object a line: `{"file", "stage", "done", "total"}` now and then, and
at last `{"paths": […]}` or `{"error": sentence}`. It ends when its standard input does:
whoever started it is gone then, and what was fetched so far waits for the next one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from seedvr2.catalogue.registry import PublishedFile
from seedvr2.errors import SeedVR2Error

_INTERVAL_S = 0.25
_GONE = 3


def main(arguments: Sequence[str]) -> int:
    """Fetch one model into the folders; answers the exit status."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    from seedvr2.catalogue.pull import pull  # brings an HTTP client along, and then PyTorch

    name, *folders = arguments
    teller = _Teller()
    try:
        paths = pull([name], [Path(folder) for folder in folders], on_progress=teller.progress)
    except SeedVR2Error as error:
        teller.say(error=str(error))
        return 1
    teller.say(paths=[str(path) for path in paths])
    return 0


class _Teller:
    def __init__(self) -> None:
        self._said = 0.0
        self._about: tuple[str, str] | None = None

    def progress(self, entry: PublishedFile, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._about == (entry.name, stage) and now - self._said < _INTERVAL_S and done < total:
            return
        self._said, self._about = now, (entry.name, stage)
        self.say(file=entry.name, stage=stage, done=done, total=total or entry.bytes or 0)

    def say(self, **values: object) -> None:
        print(json.dumps(values), flush=True)


def _end_with_starter() -> None:
    # Past Python's own buffer, whose lock nobody could take when this process ends by itself.
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    os._exit(_GONE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
