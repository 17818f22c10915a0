"""What CI runs: with everything that the tests need, and failing where a test of the page did not run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BROWSER_TEST = "tests/daemon/api/test_docs_browser.py"


def checkout(folder: Path, *, installed: tuple[str, ...], user: int = 0, make_status: int = 0) -> dict[str, str]:
    """A checkout with the script, and a machine on which each program notes how it was called."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    programs = folder / "bin"
    programs.mkdir()
    note = f'echo "$(basename $0) $* browser=$SEEDVR2_REQUIRE_BROWSER" >> {folder}/called'
    scripts = dict.fromkeys(installed, note) | {"apt-get": note, "make": f"{note}; exit {make_status}"}
    for name, script in (scripts | {"id": f"echo {user}"}).items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    for name in ("bash", "env", "dirname", "basename", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    return {"PATH": str(programs)}


def called(folder: Path, environment: dict[str, str]) -> tuple[int, list[str]]:
    """The exit status of the script, and what it called."""
    ended = subprocess.run([folder / ".ci" / "run"], env=environment, check=False)
    return ended.returncode, (folder / "called").read_text().splitlines()


def test_what_is_missing_is_installed_before_the_tests(tmp_path: Path) -> None:
    status, calls = called(tmp_path, checkout(tmp_path, installed=("ffmpeg",)))
    assert status == 0
    assert calls == [
        "apt-get update browser=",
        "apt-get install -y --no-install-recommends chromium browser=",
        "make test browser=1",
    ]


@pytest.mark.parametrize(("installed", "user"), [(("chromium", "ffmpeg"), 0), ((), 1000)])
def test_nothing_is_installed_where_nothing_is_missing_or_may_be(
    tmp_path: Path, installed: tuple[str, ...], user: int
) -> None:
    status, calls = called(tmp_path, checkout(tmp_path, installed=installed, user=user))
    assert (status, calls) == (0, ["make test browser=1"])


def test_its_status_is_that_of_the_tests(tmp_path: Path) -> None:
    status, _ = called(tmp_path, checkout(tmp_path, installed=("chromium", "ffmpeg"), make_status=2))
    assert status == 2


@pytest.mark.parametrize(("required", "status", "said"), [("", 0, "skipped"), ("1", 1, "no Chromium here")])
def test_without_a_browser_tests_of_the_page_fail_where_they_are_required(
    tmp_path: Path, required: str, status: int, said: str
) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", BROWSER_TEST]
    environment = {**os.environ, "PATH": str(tmp_path), "SEEDVR2_REQUIRE_BROWSER": required}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stdout
    assert said in ended.stdout
