"""Segments are taken over by the service alone, each once, and only as they were said to be."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster.job_folder import JobFolder, NotWholeError
from seedvr2.segments.handing_over import RETRIED
from seedvr2.segments.journal import Journal

PLAN = {"model": "nano", "frames": 12, "segments": [{"start": 0, "stop": 6}, {"start": 6, "stop": 12}]}


def made(folder: JobFolder, index: int, attempt: str, content: bytes = b"packets", **changes: Any) -> dict[str, Any]:
    """What a place says that it has left there."""
    folder.target(index, attempt).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    said = {"frames": 6, "bytes": len(content), "sha256": digest, "seconds": 1.5, "warnings": ["A warning."]}
    return said | changes


def followed(path: Path) -> JobFolder:
    folder = JobFolder(path)
    folder.follow(PLAN, goes_on=False, on_step=lambda: None)
    return folder


def test_what_is_taken_is_on_record_for_an_engine_without_a_cluster(tmp_path: Path) -> None:
    folder = followed(tmp_path / "segments")
    folder.take(1, "a1", made(folder, 1, "a1"), "RTX 4090 on studio")
    (done,) = Journal(folder.path).done.values()
    assert (done.index, done.frames, done.warnings, done.by) == (1, 6, ("A warning.",), "RTX 4090 on studio")
    assert folder.made_by == ("RTX 4090 on studio",)
    assert folder.journal.file(1).read_bytes() == b"packets"


def test_a_late_twin_is_removed(tmp_path: Path) -> None:
    folder = followed(tmp_path / "segments")
    folder.take(0, "first", made(folder, 0, "first"), "a")
    folder.take(0, "late", made(folder, 0, "late", b"other"), "b")
    assert folder.journal.file(0).read_bytes() == b"packets"
    assert not folder.target(0, "late").exists()


@pytest.mark.parametrize("wrong", [{"bytes": 3}, {"sha256": "0" * 64}, {"frames": 5}])
def test_what_is_not_as_it_was_said_is_not_taken(tmp_path: Path, wrong: dict[str, Any]) -> None:
    folder = followed(tmp_path / "segments")
    with pytest.raises(NotWholeError):
        folder.take(0, "a1", made(folder, 0, "a1", **wrong), "a")
    assert folder.journal.done == {}
    assert not folder.target(0, "a1").exists()


def test_what_is_not_there_is_not_taken(tmp_path: Path) -> None:
    folder = followed(tmp_path / "segments")
    said = made(folder, 0, "a1")
    folder.target(0, "a1").unlink()
    with pytest.raises(NotWholeError):
        folder.take(0, "a1", said, "a")


def test_a_job_goes_on_with_what_is_whole_and_begins_anew_without_it(tmp_path: Path) -> None:
    folder = followed(tmp_path / "segments")
    for index in (0, 1):
        folder.take(index, "a1", made(folder, index, "a1"), "a")
    folder.journal.file(1).write_bytes(b"spoilt!")
    made(folder, 1, "late")
    (folder.path / RETRIED).touch()
    again = JobFolder(folder.path)
    kept = again.kept()
    assert kept is not None
    assert (kept["plan"], kept["frames"], kept["retried"]) == (PLAN, 12, True)
    assert again.follow(PLAN, goes_on=True, on_step=lambda: None) == [1]
    assert sorted(entry.name for entry in folder.path.glob("seg-*")) == ["seg-00000.packets"]
    assert not (folder.path / RETRIED).exists()
    assert again.follow(PLAN, goes_on=False, on_step=lambda: None) == [0, 1]
    assert list(folder.path.glob("seg-*")) == []
