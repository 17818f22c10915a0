"""A gateway for which the places of this machine are another machine's, with a configuration of its own.

Its models folder is what `STRANGE_MODELS` names; what it fetches comes from a hub of a test. Segments take their time
there, and what it has is asked once, and then when there is a reason.
"""

from __future__ import annotations

import os
from functools import partial

if __name__ == "__main__":
    from daemon.cluster import floor
    from daemon.cluster.fetching import Fetching
    from daemon.cluster.gateway_main import main
    from tests.daemon.cluster.slow_gateway import SlowBench

    os.environ["SEEDVR2_PATHS_MODELS"] = os.environ["STRANGE_MODELS"]
    os.environ["SEEDVR2_MODEL_DEVICE"] = "cpu"
    os.environ["SEEDVR2_MODEL_DTYPE"] = "float32"
    floor.HEAD_NODE = "nobody"
    floor.FACTS_S = 10.0**6
    floor.Fetching = partial(Fetching, main="tests.daemon.engine.pull_target")  # type: ignore[assignment,misc]
    main(SlowBench)
