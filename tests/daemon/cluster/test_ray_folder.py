"""Folders for Ray: others cannot enter them, and what a killed service has left goes at the next start."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cluster.ray_folder import MARK, held_member_folder, made_folder, member_folder
from daemon.errors import ClusterError
from seedvr2.standard_folders import ROOT

HOLDS = """
import sys
from daemon.cluster.ray_folder import made_folder
with made_folder() as folder:
    (folder / "session_1").mkdir()
    # As Ray does.
    folder.chmod(0o777)
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files are; its path is short."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
        yield Path(folder)


def held(base: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(base), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", HOLDS], env=environment, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip


def test_what_a_killed_service_left_goes_and_that_of_a_living_one_stays(base: Path) -> None:
    with held(base) as killed, held(base) as alive:
        assert killed.stdout is not None and alive.stdout is not None
        left, kept = Path(killed.stdout.readline().strip()), Path(alive.stdout.readline().strip())
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        # Of the same name, but nobody knows whose: it has no mark, or others could have put it there.
        unknown, foreign = base / "seedvr2d-unknown", base / "seedvr2d-foreign"
        for folder in (unknown, foreign):
            folder.mkdir(mode=0o700)
        (foreign / MARK).touch()
        foreign.chmod(0o777)
        (base / "seedvr2d-link").symlink_to(left.parent)
        assert left.is_dir()
        with made_folder() as own:
            assert stat.S_IMODE(own.parent.stat().st_mode) == 0o700
            assert not left.parent.exists() and (kept / "session_1").is_dir()
            assert unknown.is_dir() and foreign.is_dir() and (base / "seedvr2d-link").is_symlink()
        assert not own.parent.exists()
        alive.communicate()
    assert not kept.parent.exists()


def test_a_path_that_is_too_long_for_sockets_is_not_taken(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = base / ("deep" * 8)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with made_folder() as folder:
        assert folder.parents[1] == Path("/tmp")


def test_a_machine_joins_again_and_again_though_ray_opens_its_folder(base: Path) -> None:
    for _ in range(2):
        folder = member_folder(8210)
        with held_member_folder(folder):
            assert list(folder.iterdir()) == []
            (folder / "session_1").mkdir()
            folder.chmod(0o777)
            with pytest.raises(ClusterError, match="takes part already"), held_member_folder(member_folder(8210)):
                pass
            assert (folder / "session_1").is_dir()
        assert list(folder.iterdir()) == []
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    folder.parent.chmod(0o755)
    with pytest.raises(ClusterError, match="move it away"):
        member_folder(8210)
