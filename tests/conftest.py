"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a worker for each core already: more threads than cores wait for one another, and keep servers waiting.
    # Before torch is imported, and for the processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Names of files need not be text, and are in the log; a report travels between processes as UTF-8."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
