"""A gateway whose slots do nothing for as long as they are told: what is measured is the cluster alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.cluster.depot import Depot
from daemon.cluster.gateway_main import main

STEP_S = 0.02


class Sleeper:
    """In place of `Bench`."""

    model = "none"

    def __init__(self, _setup: Mapping[str, Any]) -> None:
        """Nothing of the setup is looked at."""
        # Nothing is made in it, as no file travels.
        self.depot = Depot(Path("none"), limit=0, spare=0)

    def facts(self) -> dict[str, Any]:
        """As of `Bench`."""
        numbers = dict.fromkeys(("gpu_index", "vram_mb", "free_mb"), 0)
        models = {"models": {}, "vae": "", "fetches": False, "model": self.model}
        return {**numbers, **models, "kind": "sleeper", "engine": "", "shared": True, "why": ""}

    def sees(self, _path: str, _size: int) -> bool:
        """As of `Bench`."""
        return True

    def carry_out(
        self,
        order: Mapping[str, Any],
        _on_step: Callable[[str, int, int | None, float | None], None],
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        """Sleep for `order["seconds"]`."""
        ends = time.monotonic() + float(order["seconds"])
        while (left := ends - time.monotonic()) > 0 and not cancelled():
            time.sleep(min(left, STEP_S))
        return {"frames": 1}


if __name__ == "__main__":
    # The class by the name that it has in the slots.
    from benchmarks.cluster_gateway import Sleeper as Named

    main(Named)
