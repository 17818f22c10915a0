"""Whoever may write into the inbox cannot make the service read or write anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import ConfigError
from daemon.inbox.shelves import check_service_folders
from daemon.jobs.job import Media
from tests.daemon.conftest import Start, eventually, picture
from tests.daemon.executors import FakeExecutor
from tests.daemon.inbox.test_inbox import held, waiting
from tests.daemon.inbox.trees import put


@pytest.mark.parametrize("name", ["_done", "_failed", ".uploads"])
def test_a_service_folder_that_is_a_link_refuses_the_start(tmp_path: Path, name: str) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    check_service_folders(inbox)
    check_service_folders(tmp_path / "not there")
    for target in (tmp_path, tmp_path / "dangling"):
        (inbox / name).symlink_to(target)
        with pytest.raises(ConfigError, match=f"{name} is a symbolic link"):
            check_service_folders(inbox)
        (inbox / name).unlink()


@pytest.mark.parametrize("link", ["_done", "_done/family"])
def test_a_source_is_not_moved_through_a_link_and_is_made_once(start: Start, tmp_path: Path, link: str) -> None:
    running, outside = held(start), tmp_path / "autostart"
    outside.mkdir()
    (running.inbox / link).parent.mkdir(exist_ok=True)
    (running.inbox / link).symlink_to(outside)
    put(running.inbox / "family" / "a.png.toml", "seed = 1")
    picture(running.inbox / "family" / "a.png")
    waiting(running)
    running.executor.gate.set()
    eventually(lambda: len(running.history()) == 2)
    eventually(lambda: any("symbolic link" in each for each in running.service.inbox.problems))
    # As long as several looks take.
    picture(running.inbox / "b.png", "blue")
    eventually(lambda: len(running.history()) == 3)
    assert (running.inbox / "family" / "a.png").exists()
    assert (running.inbox / "family" / "a.png.toml").exists()
    assert not list(outside.iterdir())
    # Told for as long as it is so.
    (running.inbox / "family" / "a.png").unlink()
    if link != "_done":
        eventually(lambda: not running.service.inbox.problems)


@pytest.mark.parametrize("link", ["_failed", "_failed/family"])
def test_a_file_that_is_refused_is_not_moved_through_a_link(start: Start, tmp_path: Path, link: str) -> None:
    running, outside = start(), tmp_path / "autostart"
    outside.mkdir()
    (running.inbox / link).parent.mkdir(exist_ok=True)
    (running.inbox / link).symlink_to(outside)
    put(running.inbox / "family" / "evil.desktop", "[Desktop Entry]")
    eventually(lambda: any("symbolic link" in each for each in running.service.inbox.problems))
    eventually(lambda: running.service.inbox.pending == 0)
    assert (running.inbox / "family" / "evil.desktop").exists()
    assert not list(outside.iterdir())


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_swapped_for_a_link_while_it_is_looked_into_is_not_read(
    start: Start, tmp_path: Path, what: str
) -> None:
    secret = picture(tmp_path / "private" / "a.png", "red", (99, 99))
    seen: list[int] = []

    class Swapping(FakeExecutor):
        def probe(self, path: Path) -> Media:
            folder = tmp_path / "inbox" / "sub"
            if not seen:
                if what == "file":
                    (folder / "a.png").unlink()
                    (folder / "a.png").symlink_to(secret)
                else:
                    folder.rename(tmp_path / "away")
                    folder.symlink_to(secret.parent)
            media = super().probe(path)
            seen.append(media.width)
            return media

    running = start(Swapping())
    picture(running.inbox / "sub" / "a.png", "teal", (32, 24))
    eventually(lambda: seen)
    picture(running.inbox / "later.png", "blue", (16, 16))
    eventually(lambda: len(running.history()) == 1)
    assert seen == [32, 16]
    assert [job.draft.original_filename for job in running.history()] == ["later.png"]
    assert secret.exists()


def test_a_reason_is_not_written_through_a_link(start: Start, tmp_path: Path) -> None:
    target = put(tmp_path / "bashrc", "untouched")
    running = start()
    (running.inbox / "a.png.error.txt").symlink_to(target)
    put(running.inbox / "a.png.toml", "resolutoin = 480")
    picture(running.inbox / "a.png")
    error = running.inbox / "a.png.error.txt"
    eventually(lambda: error.is_file() and not error.is_symlink())
    assert "Did you mean" in error.read_text()
    assert target.read_text() == "untouched"
