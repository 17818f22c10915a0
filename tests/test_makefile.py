"""What `make` would do, by its own word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def told(folder: Path, target: str) -> str:
    """The commands of a target in a checkout that is not set up."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    # Under `make test` this would be a make within a make, which says so, and takes that one's flags.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--dry-run", target]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def test_running_installs_nothing_of_the_tests_and_says_that_it_works(tmp_path: Path) -> None:
    commands = told(tmp_path, "run")
    assert "[dev]" not in commands and commands.rstrip().endswith("-m daemon")
    # pip shows what it fetches, after a word of how much that is.
    assert "Setting up .venv, once" in commands and "--quiet" not in commands
    assert "[dev]" not in told(tmp_path, "install-service")


def test_testing_installs_what_the_tests_need(tmp_path: Path) -> None:
    assert "-e '.[dev]'" in told(tmp_path, "test")
