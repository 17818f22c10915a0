"""As `short_gateway`, with segments that end when a test wants it, and each that is begun is put on record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.cluster.bench import OnStep
from tests.daemon.cluster.short_gateway import ShortBench

REST_S = 1.0
# Name the file with a line for each, and another one, while which is there none ends; both can be left away.
RECORD, HOLD = "UNITS_BEGUN", "UNITS_HELD"


class SlowBench(ShortBench):
    """See there."""

    def carry_out(self, order: Mapping[str, Any], on_step: OnStep, cancelled: Callable[[], bool]) -> dict[str, Any]:
        if order["what"] == "segment":
            record, hold = os.environ.get(RECORD), os.environ.get(HOLD)
            if record:
                with Path(record).open("a", encoding="ascii") as file:
                    file.write(f"{order['index']}\n")
            time.sleep(REST_S)
            while hold and Path(hold).exists() and not cancelled():
                time.sleep(0.05)
        return super().carry_out(order, on_step, cancelled)


if __name__ == "__main__":
    from daemon.cluster.gateway_main import main

    # The class by the name that it has in the slots.
    from tests.daemon.cluster.slow_gateway import SlowBench as Named

    main(Named)
