"""A service in a process of its own that may open few descriptors. Says its port, and ends with its standard input."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from daemon.service import Service
from tests.daemon.conftest import make_config
from tests.daemon.executors import FakeExecutor


def main(folder: str, limit: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    service = Service(make_config(Path(folder)), FakeExecutor())
    service.start()
    print(service.api.port, flush=True)
    sys.stdin.read()
    service.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
