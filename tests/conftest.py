"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Files of few tests that take long: a worker that began one of them last would keep the others waiting.
FIRST = (
    "daemon/cluster/test_local.py",
    "daemon/machines/test_network.py",
    "daemon/test_kill.py",
    "daemon/work/test_borders.py",
    "seedvr2/planning/test_count.py",
    "seedvr2/planning/test_simulate.py",
    "seedvr2/segments/test_profiles.py",
    "benchmarks/test_networks.py",
    "benchmarks/test_jobs.py",
    "test_main_job.py",
    "test_ci.py",
)

if "PYTEST_XDIST_WORKER" in os.environ:
    # There are enough workers for all cores: more threads than cores wait for one another, and keep servers waiting.
    # Before torch is imported, and for the processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many a test waits, for a process, a page or a clock."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {HERE / name for name in FIRST}
    items.sort(key=lambda item: item.path not in first)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Names of files need not be text, and are in the log; a report travels between processes as UTF-8."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
