"""What a place keeps on its own disk, and that nothing of a dead process stays."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster.depot import CHUNK_BYTES, Depot, depot_setup
from daemon.cluster.incoming import NotWholeError
from seedvr2.standard_folders import ROOT

CONTENT = bytes(range(256)) * 8
A, B = "0a0a0a0a", "0b0b0b0b"
# Another process that has made something, and waits.
_OTHER = """
import sys
from pathlib import Path
from daemon.cluster.depot import Depot
Depot(Path(sys.argv[1]), 1 << 30, 0).target("0c0c0c0c", "result").write_bytes(b"made")
print("ready", flush=True)
sys.stdin.read()
"""


def announced(content: bytes = CONTENT, name: str = "clip.mp4") -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "name": name}


def sent(depot: Depot, attempt: str, name: str = "clip.mp4") -> Path:
    if not depot.expect(attempt, announced(name=name)):
        depot.add(attempt, 0, CONTENT)
    return depot.source(attempt)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "work").rglob("*") if file.is_file() and file.name != "lock")


def test_a_source_comes_once_and_is_read_under_its_own_name(tmp_path: Path) -> None:
    depot, other = (Depot(tmp_path / "place", 1 << 30, 0) for _ in range(2))
    path = sent(depot, A)
    assert (path.name, path.read_bytes()) == ("clip.mp4", CONTENT)
    assert other.expect(B, announced()) is True
    assert other.source(B).read_bytes() == CONTENT
    depot.forget(A)
    # The same path for the next attempt: what the engine knows of a file, it knows by that.
    assert sent(depot, B) == path
    assert {entry.stat().st_mode & 0o777 for entry in (tmp_path / "place").iterdir()} == {0o700}


def test_a_second_one_waits_for_the_first(tmp_path: Path) -> None:
    first, second = (Depot(tmp_path, 1 << 30, 0) for _ in range(2))
    assert first.expect(A, announced()) is False
    assert second.expect(B, announced()) is None
    first.add(A, 0, CONTENT)
    assert second.expect(B, announced()) is True
    # What is given up half way is sent by the other one.
    more = announced(CONTENT * 2)
    assert first.expect(A, more) is False
    first.add(A, 0, CONTENT)
    first.forget(A)
    assert second.expect(B, more) is False


def test_bytes_that_are_others_are_told(tmp_path: Path) -> None:
    depot = Depot(tmp_path, 1 << 30, 0)
    depot.expect(A, announced())
    with pytest.raises(NotWholeError):
        depot.add(A, 0, bytes(len(CONTENT)))
    with pytest.raises(NotWholeError):
        depot.source(A)
    assert depot.expect(A, announced()) is False


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "", "a\x00b", ".hidden", "x" * 400])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    depot = Depot(tmp_path / "place", 1 << 30, 0)
    path, target = sent(depot, A, name), depot.target(A, name)
    for made in (path, target):
        assert made.relative_to(tmp_path / "place/work") and len(made.relative_to(tmp_path / "place/work").parts) == 3
    target.write_bytes(b"made")
    assert depot.read(A, 0) == b"made"


@pytest.mark.parametrize("attempt", ["..", "../x", "", "0a0a0a0", "0A0A0A0A"])
def test_an_attempt_is_never_a_path(tmp_path: Path, attempt: str) -> None:
    depot = Depot(tmp_path, 1 << 30, 0)
    for call in (lambda: depot.target(attempt, "x"), lambda: depot.expect(attempt, announced()),
                 lambda: depot.forget(attempt)):  # fmt: skip
        with pytest.raises(ValueError, match="is no attempt"):
            call()


def test_what_was_made_goes_chunk_by_chunk_and_is_removed(tmp_path: Path) -> None:
    depot = Depot(tmp_path, 1 << 30, 0)
    target = depot.target(A, "seg-00007.0a0a0a0a")
    with target.open("wb") as file:
        file.truncate(CHUNK_BYTES)
        file.seek(CHUNK_BYTES)
        file.write(b"end")
    assert (len(depot.read(A, 0)), depot.read(A, CHUNK_BYTES)) == (CHUNK_BYTES, b"end")
    depot.target(B, "other").write_bytes(b"stays")
    depot.forget(A)
    assert files(tmp_path) == ["other"]


def test_a_copy_that_was_damaged_is_removed(tmp_path: Path) -> None:
    depot = Depot(tmp_path, 1 << 30, 0)
    path = sent(depot, A)
    assert depot.is_whole(A)
    path.write_bytes(bytes(len(CONTENT)))
    assert not depot.is_whole(A)
    depot.forget(A)
    assert depot.expect(A, announced()) is False


def test_what_a_killed_process_left_goes_when_the_next_one_starts_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        (tmp_path / "work/mine").mkdir()
        (tmp_path / "work/mine/notes").touch()
        (tmp_path / "work" / ("0" * 16)).mkdir()
        (tmp_path / "work" / ("0" * 16) / "unknown").touch()
        (tmp_path / "work" / ("1" * 16)).mkdir()
        assert Depot(tmp_path, 1 << 30, 0).why() == ""
        assert files(tmp_path) == ["notes", "result", "unknown"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert Depot(tmp_path, 1 << 30, 0).why() == ""
    assert files(tmp_path) == ["notes", "unknown"]
    assert not (tmp_path / "work" / ("1" * 16)).exists()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "place").touch()
    setup = depot_setup(tmp_path, 50, 512)
    assert (setup["limit"], setup["spare"]) == (50_000_000_000, 512 << 20)
    assert "cannot be used" in Depot.of(setup).why()
