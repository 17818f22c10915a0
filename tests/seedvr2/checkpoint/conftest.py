"""What several of the tests here measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def private_bytes() -> int:
    """Memory of this process that no file backs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    pytest.skip("this system does not tell")


@pytest.fixture
def memory_growth() -> Callable[[Callable[[], object]], int]:
    """Calls a function, keeps its result alive, and returns by how much private memory grew."""

    def measure(work: Callable[[], object]) -> int:
        before = private_bytes()
        kept = work()
        growth = private_bytes() - before
        assert kept is not None
        return growth

    return measure
