"""`logs --follow`: each change of a state as it happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.daemon.conftest import PATIENCE_S, Running, eventually

ROOT = Path(__file__).parents[3]


def test_changes_are_told_as_they_happen_until_stopped(running: Running) -> None:
    running.executor.gate.clear()
    task = running.submit("a.png")
    eventually(running.executor.running.is_set)
    with subprocess.Popen(
        [sys.executable, "-m", "daemon", "logs", "--follow", task],
        cwd=ROOT,
        env={**os.environ, "SEEDVR2D_URL": running.service.url},
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert f"{task}  a.png  " in following.stdout.readline()
        running.executor.gate.set()
        assert "completed: " in following.stdout.readline()
        assert following.wait(PATIENCE_S) == 0
    with subprocess.Popen(
        [sys.executable, "-m", "daemon", "logs", "--follow", "-n", "1"],
        cwd=ROOT,
        env={**os.environ, "SEEDVR2D_URL": running.service.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None and following.stderr is not None
        assert task in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.stderr.read() == "Stopped.\n"
        assert following.wait(PATIENCE_S) == 130
