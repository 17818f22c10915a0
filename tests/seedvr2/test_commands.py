"""Commands that messages print run as printed, from any folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from seedvr2.catalogue.folder import how_to_get
from seedvr2.commands import command


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, shell=True, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60
    )


def test_a_command_runs_in_another_folder_with_a_bare_path(tmp_path: Path) -> None:
    ended = run(command("models", "list", "--models-dir", str(tmp_path / "a folder")), tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert str(tmp_path / "a folder") in ended.stdout


def test_the_commands_of_a_message_are_as_they_run(tmp_path: Path) -> None:
    listing, pulling = re.findall("`(.*?)`", how_to_get("nope", tmp_path / "it's"))
    assert run(listing, tmp_path).returncode == 0
    ended = run(pulling.replace("models pull", "models verify"), tmp_path)
    assert f"is not in {tmp_path / 'it'}'s" in ended.stdout, ended.stderr


@pytest.mark.parametrize("word", ["a b", "it's", "$HOME"])
def test_words_are_quoted(tmp_path: Path, word: str) -> None:
    ended = run(command("models", "list", "--models-dir", word), tmp_path)
    assert str(tmp_path / word) in ended.stdout
