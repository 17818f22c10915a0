"""`python -m tests.faults [PYTEST'S ARGUMENTS]`: run the rows and print the table for docs/reliability.md."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["-q", str(Path(__file__).parent), *sys.argv[1:]]))
