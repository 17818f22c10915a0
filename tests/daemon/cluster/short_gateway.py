"""A gateway whose slots cut videos into segments of a few frames, so that small clips have many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from daemon.cluster.bench import Bench, OnStep

FRAMES = 6


class ShortBench(Bench):
    """See there."""

    def carry_out(self, order: Mapping[str, Any], on_step: OnStep, cancelled: Callable[[], bool]) -> dict[str, Any]:
        from seedvr2 import attempts

        attempts.frames_at_a_time = lambda *_args, **_more: FRAMES
        return super().carry_out(order, on_step, cancelled)


if __name__ == "__main__":
    from daemon.cluster.gateway_main import main

    # The class by the name that it has in the slots.
    from tests.daemon.cluster.short_gateway import ShortBench as Named

    main(Named)
