"""Abrupt ends are counted across starts, for the version of the file that was being looked into."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.inbox.suspects import Suspects
from daemon.store.safe_open import fingerprint
from tests.daemon.inbox.trees import put

KILLED = """
import os, signal, sys
from pathlib import Path
from daemon.inbox.suspects import Suspects
from daemon.store.safe_open import fingerprint
suspects, clip = Suspects(Path(sys.argv[1])), Path(sys.argv[2])
suspects.begin(clip, fingerprint(clip.stat()))
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_over(state: Path, clip: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, state, clip], check=False).returncode == -9


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return put(tmp_path / "inbox" / os.fsdecode(b"\xff clip.mp4"))


def ends(state: Path, clip: Path) -> int:
    return Suspects(state).ends(clip, fingerprint(clip.stat()))


def test_each_kill_counts_once(tmp_path: Path, clip: Path) -> None:
    for count in range(1, 4):
        kill_over(tmp_path, clip)
        assert ends(tmp_path, clip) == count
        assert ends(tmp_path, clip) == count


def test_a_file_that_was_looked_into_to_the_end_is_no_suspect(tmp_path: Path, clip: Path) -> None:
    suspects = Suspects(tmp_path)
    suspects.begin(clip, fingerprint(clip.stat()))
    suspects.end()
    assert ends(tmp_path, clip) == 0


def test_success_a_change_and_absence_clear_the_count_for_good(tmp_path: Path, clip: Path) -> None:
    kill_over(tmp_path, clip)
    Suspects(tmp_path).clear(clip)
    assert ends(tmp_path, clip) == 0

    kill_over(tmp_path, clip)
    known = fingerprint(clip.stat())
    put(clip, "another version")
    assert ends(tmp_path, clip) == 0
    Suspects(tmp_path).keep_only({clip: fingerprint(clip.stat())})
    assert Suspects(tmp_path).ends(clip, known) == 0

    kill_over(tmp_path, clip)
    known = fingerprint(clip.stat())
    suspects = Suspects(tmp_path)
    # Not seen by a scan is not gone: its folder may have been unreadable.
    suspects.keep_only({})
    assert suspects.ends(clip, known) == 1
    clip.unlink()
    suspects.keep_only({})
    assert Suspects(tmp_path).ends(clip, known) == 0


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"a": 1}', '{"a": {"fingerprint": 1, "ends": "x"}}', "\0" * 99])
def test_a_damaged_record_begins_anew(tmp_path: Path, clip: Path, damaged: str) -> None:
    put(tmp_path / "suspects.json", damaged)
    assert ends(tmp_path, clip) == 0
    kill_over(tmp_path, clip)
    assert ends(tmp_path, clip) == 1


@pytest.mark.parametrize("torn", [b"/inbox/clip.mp4", b"/inbox/clip.mp4\0[1, 2", b"\0\0\0", b"", b"x\0{}\0"])
def test_a_torn_marker_accuses_nobody(tmp_path: Path, clip: Path, torn: bytes) -> None:
    (tmp_path / "looking-into").write_bytes(torn)
    Suspects(tmp_path).begin(clip, fingerprint(clip.stat()))
    assert not (tmp_path / "suspects.json").exists()


def test_a_state_folder_that_cannot_be_written_stops_no_start_and_loses_no_count(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    kill_over(tmp_path, clip)
    (tmp_path / "looking-into").rename(tmp_path / "kept")
    with monkeypatch.context() as fault:
        fault.setattr(os, "open", full)
        suspects = Suspects(tmp_path)
        with pytest.raises(OSError, match="No space"):
            suspects.begin(clip, fingerprint(clip.stat()))
        suspects.end()
    (tmp_path / "kept").rename(tmp_path / "looking-into")
    suspects.begin(clip, fingerprint(clip.stat()))
    suspects.end()
    assert ends(tmp_path, clip) == 1
