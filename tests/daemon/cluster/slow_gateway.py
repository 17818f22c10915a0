"""As `short_gateway`, with segments that take their time, and each that is begun is put on record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.cluster.bench import OnStep
from tests.daemon.cluster.short_gateway import ShortBench

REST_S = 2.0
# Names the file, with a line for each.
RECORD = "UNITS_BEGUN"


class SlowBench(ShortBench):
    """See there."""

    def carry_out(self, order: Mapping[str, Any], on_step: OnStep, cancelled: Callable[[], bool]) -> dict[str, Any]:
        if order["what"] == "segment":
            with Path(os.environ[RECORD]).open("a", encoding="ascii") as file:
                file.write(f"{order['index']}\n")
            time.sleep(REST_S)
        return super().carry_out(order, on_step, cancelled)


if __name__ == "__main__":
    from daemon.cluster.gateway_main import main

    # The class by the name that it has in the slots.
    from tests.daemon.cluster.slow_gateway import SlowBench as Named

    main(Named)
