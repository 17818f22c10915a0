"""Disks that are really full: small ones, mounted in a namespace of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
BEGIN = """
import os, subprocess, sys
from pathlib import Path
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
def fill():
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError as error:
            assert error.errno == 28
"""
STATE = """
from daemon.inbox.suspects import Suspects
clip = Path("/inbox/clip.mp4")
suspects = Suspects(folder)
fill()
suspects.begin(clip, (1, 2, 3))
print(Suspects(folder).ends(clip, (1, 2, 3)))
(folder / "ballast").unlink()
print(Suspects(folder).ends(clip, (1, 2, 3)), (folder / "suspects.json").exists())
"""
STATE_FULL_AT_START = """
from daemon.inbox.suspects import Suspects
fill()
suspects = Suspects(folder)
try:
    suspects.begin(Path("/inbox/clip.mp4"), (1, 2, 3))
except OSError as error:
    print(error.strerror)
suspects.end()
(folder / "ballast").unlink()
suspects.begin(Path("/inbox/clip.mp4"), (1, 2, 3))
suspects.end()
print(suspects.ends(Path("/inbox/clip.mp4"), (1, 2, 3)))
"""
SHELF = """
from daemon.inbox.after import Aftermath
from daemon.inbox.scan import Scanner
from tests.daemon.inbox.refused import Archive, refuse
inbox = folder.parent
(inbox / "clip.mp4").write_bytes(bytes(32768))
(inbox / "clip.mp4.toml").write_text("seed = 1")
fill()
after = Aftermath(Archive(), inbox, "move")
(found,) = Scanner(inbox).scan()
try:
    refuse(after, found, "no good")
except OSError as error:
    print(error.strerror, after.problems.sentences())
print(sorted(each.name for each in inbox.iterdir()), sorted(each.name for each in folder.iterdir()))
(folder / "ballast").unlink()
refuse(after, found, "no good")
print(sorted(each.name for each in folder.iterdir()), after.problems.sentences())
"""


def run(script: str, folder: Path) -> list[str]:
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine allows no namespaces")
    folder.mkdir()
    told = subprocess.check_output([*NAMESPACE, sys.executable, "-c", BEGIN + script, folder], text=True)
    return told.splitlines()


def test_the_marker_is_written_and_counted_on_a_full_state_disk(tmp_path: Path) -> None:
    assert run(STATE, tmp_path / "state") == ["1", "1 True"]


def test_a_state_disk_that_is_full_at_the_start_refuses_the_marker_until_there_is_room(tmp_path: Path) -> None:
    assert run(STATE_FULL_AT_START, tmp_path / "state") == ["No space left on device", "0"]


def test_a_full_disk_of_failed_files_keeps_the_source_where_it_is_until_there_is_room(tmp_path: Path) -> None:
    refused, kept, moved = run(SHELF, tmp_path / "_failed")
    assert refused.startswith("No space left on device ['Files that are dealt with cannot be put away yet")
    assert kept == "['_failed', 'clip.mp4', 'clip.mp4.toml'] ['ballast']"
    assert moved == "['clip.mp4', 'clip.mp4.error.txt', 'clip.mp4.toml'] []"
