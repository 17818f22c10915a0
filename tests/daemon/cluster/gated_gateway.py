"""As `short_gateway`; a source that is sent does not arrive as long as there is a file `wait` in the slots' folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon.cluster.depot import Depot
from tests.daemon.cluster.short_gateway import ShortBench

WAIT = "wait"


class GatedDepot(Depot):
    """See there."""

    def __init__(self, folder: Path, limit: int, spare: int) -> None:
        super().__init__(folder, limit, spare)
        self._gate = folder / WAIT

    def add(self, attempt: str, offset: int, chunk: bytes) -> None:
        while self._gate.exists():
            time.sleep(0.01)
        super().add(attempt, offset, chunk)


class GatedBench(ShortBench):
    """See there."""

    def __init__(self, setup: Mapping[str, Any]) -> None:
        super().__init__(setup)
        self.depot = GatedDepot.of(setup["depot"])


if __name__ == "__main__":
    from daemon.cluster import floor
    from daemon.cluster.gateway_main import main

    # A machine in trouble is tried again sooner than people would mend it.
    floor.LONGEST_REST_S = 1.0

    # The class by the name that it has in the slots.
    from tests.daemon.cluster.gated_gateway import GatedBench as Named

    main(Named)
