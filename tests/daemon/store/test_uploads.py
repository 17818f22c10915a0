"""The folder of uploads: what is ours is tidied, what is not is neither used nor touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.errors import ConfigError
from daemon.store import uploads
from daemon.store.job_store import JobStore
from daemon.store.owner import lock_folder, owner_of
from tests.daemon.jobs.test_job import draft

KNOWN, LOST, WAITING, HALF = "0" * 16, "1" * 16, "2" * 16, "3" * 16


def put(folder: Path, name: str) -> Path:
    file = folder / name / "clip.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"clip")
    return file


def test_a_folder_of_somebody_s_films_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wedding.mp4").write_bytes(b"film")
    (tmp_path / "holidays").mkdir()
    with pytest.raises(ConfigError, match="nothing was touched"):
        uploads.admit(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["holidays", "wedding.mp4"]


def test_an_empty_folder_is_marked_and_may_fill_up(tmp_path: Path) -> None:
    uploads.admit(tmp_path)
    assert (tmp_path / uploads.MARKER).is_file()
    (tmp_path / "notes.txt").write_text("mine")
    uploads.admit(tmp_path)


def test_a_folder_of_an_earlier_version_is_known_by_its_names(tmp_path: Path) -> None:
    put(tmp_path, KNOWN)
    put(tmp_path, f".{HALF}")
    uploads.admit(tmp_path)
    assert (tmp_path / uploads.MARKER).is_file()


def test_only_what_never_arrived_whole_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "uploads"
    known, lost = put(folder, KNOWN), put(folder, LOST)
    waiting, half = put(folder, f".{WAITING}"), put(folder, f".{HALF}")
    foreign = put(folder, "holidays")
    (folder / ("4" * 16)).symlink_to(tmp_path)
    (folder / ".hidden").write_text("mine")
    store = JobStore(tmp_path / "state")
    store.add(draft(source=str(known)))
    store.add(draft(source=str(folder / WAITING / "clip.mp4")))
    with caplog.at_level("INFO"):
        uploads.tidy(folder, store)
    # A crash between the job's record and the folder's name: finished now.
    assert (folder / WAITING / "clip.mp4").read_bytes() == b"clip"
    assert not waiting.exists()
    assert not half.parent.exists()
    assert f"removing {half.parent}" in caplog.text
    # No record knows it: perhaps the records are lost, not the upload.
    assert lost.exists()
    assert "1 uploads that no task knows" in caplog.text
    assert known.exists()
    assert foreign.exists()
    assert (folder / ("4" * 16)).is_symlink()
    assert (folder / ".hidden").exists()
    store.close()


@pytest.mark.parametrize("lost", ["jobs.json", "history.jsonl", None])
def test_a_lost_store_takes_no_upload_with_it(tmp_path: Path, lost: str | None) -> None:
    folder, state = tmp_path / "uploads", tmp_path / "state"
    store = JobStore(state)
    ended = store.add(draft(source=str(put(folder, KNOWN))))
    store.archive(store.save(store.save(ended.start(1.0)).fail(2.0, "no")))
    store.add(draft(source=str(put(folder, WAITING))))
    store.close()
    for file in state.iterdir():
        if lost is None or file.name.startswith(lost):
            file.unlink()
    store = JobStore(state)
    uploads.tidy(folder, store)
    assert sorted(each.name for each in folder.iterdir()) == [KNOWN, WAITING]
    store.close()


def test_what_counts_as_an_upload(tmp_path: Path) -> None:
    assert uploads.is_upload(tmp_path / KNOWN / "a.png", [tmp_path])
    assert not uploads.is_upload(tmp_path / "holidays" / "a.png", [tmp_path])
    assert not uploads.is_upload(tmp_path / "x" / KNOWN / "a.png", [tmp_path])


def test_the_owner_is_the_same_at_each_start(tmp_path: Path) -> None:
    name = owner_of(tmp_path)
    assert len(name) == 16
    assert owner_of(tmp_path) == name
    (tmp_path / "owner").write_bytes(b"\xff nonsense")
    renewed = owner_of(tmp_path)
    assert renewed != name
    assert owner_of(tmp_path) == renewed


def test_a_folder_is_locked_against_another(tmp_path: Path) -> None:
    first = lock_folder(tmp_path)
    assert first is not None
    assert lock_folder(tmp_path) is None
    os.close(first)
    second = lock_folder(tmp_path)
    assert second is not None
    os.close(second)
