"""Files of the state that are missing, torn, garbage or unreadable: a refusal with a way back, or nothing is lost."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import Foreign, account
from tests.faults.lab import AS_NOBODY, NOBODY, Daemon, new_root
from tests.faults.mounts import needs

pytestmark = pytest.mark.long

FILES = ("jobs.json", "jobs.json.bak", "jobs.json.journal.*", "history.jsonl")
WAYS = ("copy", "move", "mv ", "put ", "restore", "permission", "readable", "delete")


def garbage(file: Path) -> None:
    file.write_bytes(bytes(range(7, 250)) * 20)


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def unreadable(file: Path) -> None:
    os.chown(file, 0, 0)
    file.chmod(0o600)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "truncated": truncated,
    "garbage": garbage,
    "unreadable": unreadable,
}


@dataclass(slots=True)
class Past:
    """The folders of a daemon that was killed with finished, running and waiting jobs, and a copy of them."""

    daemon: Daemon
    copy: Path
    finished: frozenset[str]

    def restored(self, lab: Lab) -> Daemon:
        """The same folders in the same place, as they were."""
        shutil.rmtree(self.daemon.root)
        shutil.copytree(self.copy, self.daemon.root, symlinks=True)
        # An absolute path: the records of the jobs hold it.
        daemon = lab.daemon(str(self.daemon.root))
        daemon.accepted, daemon.sizes = dict(self.daemon.accepted), self.daemon.sizes
        return daemon


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    """What the cases of this module damage."""
    root = new_root()
    daemon = Daemon(root / "one")
    try:
        daemon.start()
        Foreign().plant_around(daemon)
        finished = [daemon.submit(f"finished{number}.png") for number in range(3)]
        account(daemon)
        daemon.order("hold")
        for number in range(2):
            daemon.submit(f"in the snapshot{number}.png")
        daemon.stop()
        daemon.start()
        for number in range(2):
            daemon.submit(f"in the journal{number}.png")
        eventually(lambda: daemon.health()["worker"] == "processing")
        daemon.kill()
        daemon.revoke("hold")
        shutil.copytree(daemon.root, root / "copy", symlinks=True)
        yield Past(daemon, root / "copy", frozenset(finished))
    finally:
        daemon.kill()
        shutil.rmtree(root)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "patterns", [*itertools.combinations(FILES, 1), *itertools.combinations(FILES, 2)], ids=" and ".join
)
def test_damaged_state(lab: Lab, past: Past, patterns: tuple[str, ...], damage: str) -> None:
    """files of the state missing, cut in half, garbage or unreadable, each and in pairs"""
    daemon = past.restored(lab)
    if damage == "unreadable":
        as_nobody(daemon)
    for folder in (daemon.uploads, daemon.outputs):
        lab.foreign.add_tree(folder)
    kept = make_damage(daemon, patterns, damage)
    lab.fault(len(kept))
    sentence = daemon.start_or_refusal()
    if sentence is not None:
        assert str(daemon.state) in sentence and any(way in sentence.lower() for way in WAYS), sentence
        lab.checked(lab.foreign.check())
        put_back(kept)
        daemon.start()
    elif patterns == ("jobs.json",):
        assert "jobs.json" in daemon.log, "it went back to the copy without a word"
    if sentence is None and "history.jsonl" in patterns:
        drop(daemon, past.finished)
    if sentence is None and damage == "truncated" and "jobs.json.journal.*" in patterns:
        # A journal that ends early looks like one whose last lines were never acknowledged.
        drop(daemon, {job_id for job_id in daemon.accepted if daemon.get(f"/api/status/{job_id}").status_code == 404})
    lab.checked(account(daemon) + lab.foreign.check())


def test_whole_state_missing(lab: Lab, past: Past) -> None:
    """all files of the state missing but the uploads: the uploads stay"""
    daemon = past.restored(lab)
    lab.foreign.add_tree(daemon.uploads)
    kept = make_damage(daemon, FILES, "missing")
    lab.fault(len(kept))
    if daemon.start_or_refusal() is None:
        daemon.accepted.clear()
        daemon.submit("new.png")
        account(daemon)
    lab.checked(lab.foreign.check())


@pytest.mark.parametrize("record", ["not a job", "of a newer version"])
def test_odd_record(lab: Lab, past: Past, record: str) -> None:
    """records that are no jobs, or of a newer version: the others go on, and these are kept until they can be read"""
    daemon = past.restored(lab)
    lab.foreign.add_tree(daemon.uploads)
    file = daemon.state / "jobs.json"
    old, new = (b'"draft"', b'"graft"') if record == "not a job" else (b'"state":"queued"', b'"state":"later"')
    odd = file.read_bytes().count(old)
    assert odd
    file.write_bytes(file.read_bytes().replace(old, new))
    lab.fault(odd)
    daemon.start()
    every = dict(daemon.accepted)
    drop(daemon, {job_id for job_id in every if daemon.get(f"/api/status/{job_id}").status_code == 404})
    assert daemon.accepted and all(job_id in daemon.log for job_id in every.keys() - daemon.accepted.keys())
    lab.checked(account(daemon))
    daemon.stop()
    assert file.read_bytes().count(new) == len(every) - len(daemon.accepted)
    file.write_bytes(file.read_bytes().replace(new, old))
    daemon.accepted = every
    daemon.start()
    lab.checked(account(daemon) + lab.foreign.check())


def make_damage(daemon: Daemon, patterns: tuple[str, ...], damage: str) -> dict[Path, tuple[bytes, os.stat_result]]:
    """Damage the files; answers what they were."""
    foreign = daemon.state / "jobs.json.journal.notes"
    files = [file for pattern in patterns for file in sorted(daemon.state.glob(pattern)) if file != foreign]
    kept = {file: (file.read_bytes(), file.stat()) for file in files}
    assert len(kept) >= len(patterns)
    for file in kept:
        DAMAGES[damage](file)
    return kept


def put_back(kept: dict[Path, tuple[bytes, os.stat_result]]) -> None:
    """Undo the damage."""
    for file, (content, status) in kept.items():
        file.write_bytes(content)
        os.chown(file, status.st_uid, status.st_gid)
        file.chmod(status.st_mode)


def as_nobody(daemon: Daemon) -> None:
    """Run it as a user for whom a file can be unreadable."""
    needs("setpriv")
    for path in (daemon.root, *daemon.root.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    daemon.before = AS_NOBODY


def drop(daemon: Daemon, ids: frozenset[str] | set[str]) -> None:
    """Do not ask for these tasks."""
    for job_id in ids:
        daemon.accepted.pop(job_id, None)
