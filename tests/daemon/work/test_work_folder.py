"""The work folder lies on the disk of the results, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.work.work_folder import WorkFolder
from seedvr2.errors import MachineError


def test_a_disk_that_went_meanwhile_gets_its_work_folder_nowhere_else(tmp_path: Path) -> None:
    reason = ""
    work = WorkFolder(tmp_path, "0123456789abcdef", lambda: reason)
    work.fresh("a")
    work.discard("a")
    assert not list((tmp_path / ".work").iterdir())
    reason = "the disk of the outputs folder is not mounted"
    with pytest.raises(MachineError, match=r"^The disk of the outputs folder is not mounted\.$"):
        work.fresh("a")
    assert not list(tmp_path.iterdir())
    reason = ""
    assert work.fresh("a").is_dir()
    # What is in a folder that is there after all stays, whatever is said of its disk.
    (work.segments("a")).mkdir()
    reason = "another disk is mounted in the outputs's place"
    with pytest.raises(MachineError):
        work.fresh("a")
    assert work.segments("a").is_dir()
