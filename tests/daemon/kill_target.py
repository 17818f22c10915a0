"""A daemon with a fast executor, to be killed by `test_kill.py`: `python -m tests.daemon.kill_target CONFIG`."""

from __future__ import annotations

import sys
from pathlib import Path

from daemon.outside import logs
from daemon.service import Service
from daemon.settings.config import load_config
from tests.daemon.executors import FakeExecutor

if __name__ == "__main__":
    logs.set_up("info", "text")
    Service(load_config(Path(sys.argv[1])), FakeExecutor(steps=3, step_s=0.004)).run()
