"""What holds in every row, whatever the fault was."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from PIL import Image

from tests.daemon.conftest import eventually
from tests.faults.lab import Daemon

# Names that look like ours, or that a careless pattern takes for ours.
FOREIGN = (
    ".hidden/film.mkv",
    ".work/film.mkv",
    ".work/0badcafe/result.mp4",
    ".uploads/0badcafe/film.mkv",
    ".jobs.json.x.tmp",
    ".holiday Ω\n2024/*;$(x).mkv",
    "._done/film.mkv",
)
# Not in the inbox, where they would be sources.
VISIBLE = ("0badcafe/film.mkv", "film.mkv", "uploads/film.mkv", "1/2/3/result.png", "jobs.json.journal.notes")


class Foreign:
    """Files of somebody else's, planted in the daemon's folders."""

    def __init__(self) -> None:
        self._files: dict[Path, bytes] = {}

    def plant(self, folder: Path, names: Iterable[str] = FOREIGN) -> None:
        """Put files into a folder."""
        for name in names:
            self.add(folder / name)

    def add(self, file: Path) -> None:
        """Put one file there, or note one that is there."""
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.fsencode(file) * 3)
        self._files[file] = file.read_bytes()

    def add_tree(self, folder: Path) -> None:
        """Note every file that is in a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.add(file)

    def plant_around(self, daemon: Daemon) -> None:
        """Put files into every folder of a daemon that has started once."""
        self.plant(daemon.inbox)
        for folder in (daemon.outputs, daemon.state, daemon.uploads, daemon.folders["models"]):
            self.plant(folder, (*FOREIGN, *VISIBLE))

    def check(self) -> int:
        """Each is what it was; answers how many they are."""
        lost = [str(file) for file, content in self._files.items() if not _is(file, content)]
        assert not lost, f"foreign files were deleted or changed: {lost}"
        return len(self._files)


def account(daemon: Daemon, *, failed: Collection[str] = (), shelved: bool = True) -> int:
    """Every accepted task is known and has ended well, but for those in `failed`; answers how many files were checked.

    Args:
        failed: names of files whose tasks have to fail, with a sentence.
        shelved: whether the sources in the inbox have to be in `_done`.
    """
    checked = 0
    for job_id, name in daemon.accepted.items():
        status = daemon.wait(job_id)
        if name in failed:
            assert status["status"] == "failed" and status["error"].endswith("."), status
            continue
        assert status["status"] == "completed", status
        _check_result(daemon, job_id, name)
        checked += 1
    return checked + _account_dropped(daemon, failed, shelved)


def _account_dropped(daemon: Daemon, failed: Collection[str], shelved: bool) -> int:
    good = [file for file in daemon.dropped if file.name not in failed]
    names = Counter(file.name for file in good)
    sent = set(daemon.accepted.values())
    assert not sent & names.keys(), "a row gives each file a name of its own"

    def completed() -> dict[str, list[str]]:
        ended: dict[str, list[str]] = {}
        for entry in daemon.history():
            if entry["status"] == "completed":
                ended.setdefault(entry["original_filename"], []).append(entry["id"])
        return ended

    eventually(lambda: names.keys() <= completed().keys())
    ids = completed()
    for file in good:
        assert len(ids[file.name]) == names[file.name], f"{file} was worked on {len(ids[file.name])} times"
        _check_result(daemon, ids[file.name][0], file.name)
        if shelved:
            eventually(lambda file=file: _exists(daemon.inbox / "_done" / file))  # type: ignore[misc]
        assert not (daemon.inbox / "_failed" / file).exists(), f"{file} is in _failed"
    return len(good)


def _check_result(daemon: Daemon, job_id: str, name: str) -> None:
    answer = daemon.get(f"/api/download/{job_id}")
    assert answer.status_code == 200, f"{name}: {answer.text}"
    with Image.open(io.BytesIO(answer.content)) as result:
        result.load()
        width, height = daemon.sizes[name]
        assert result.size == (2 * width, 2 * height), f"{name} has the result of another"


def names_trouble(daemon: Daemon, *words: str) -> str:
    """Until `/health` names a problem with each of `words` in it; answers the problem."""

    def named() -> str:
        for problem in daemon.health()["problems"]:
            if all(word in problem.lower() for word in words):
                return str(problem)
        return ""

    return eventually(named)


def is_well(daemon: Daemon) -> None:
    """Until `/health` has nothing to name."""
    eventually(lambda: not daemon.health()["problems"])


def nothing_failed(daemon: Daemon) -> None:
    """No source was put into `_failed`, and no task has failed or was cancelled."""
    shelf = daemon.inbox / "_failed"
    assert not shelf.exists() or not [file for file in shelf.rglob("*") if file.is_file()]
    assert not [entry for entry in daemon.history() if entry["status"] != "completed"]


def _is(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes() == content


def _exists(file: Path) -> bool:
    return file.is_file()
