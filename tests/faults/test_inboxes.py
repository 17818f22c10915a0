"""An inbox on a disk with rules or faults of its own: no source is lost or blamed, and no other file waits for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account, is_well, names_trouble, nothing_failed
from tests.faults.lab import Daemon
from tests.faults.mounts import Disk, EncFs, Ntfs

pytestmark = pytest.mark.long

SAME_BUT_FOR_CASE = ("Clip.png", "clip.png", "CLIP.PNG")


def test_results_that_differ_in_case(lab: Lab) -> None:
    """outputs where names that differ in case are the same file: each has a result of its own"""
    disk = lab.mounted(Ntfs(lab.root / "ntfs.img", lab.root / "outputs", blind=True))
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    lab.fault()
    daemon.order("hold")
    for name in SAME_BUT_FOR_CASE:
        daemon.drop(name)
    for name in ("Sent.png", "sent.png"):
        daemon.submit(name)
    daemon.revoke("hold")
    lab.checked(account(daemon))
    results = [path for path in daemon.outputs.glob("*.png") if path.is_file()]
    assert len(results) == len(SAME_BUT_FOR_CASE) + 2
    nothing_failed(daemon)


def test_sources_that_differ_in_case(lab: Lab) -> None:
    """an inbox where names that differ in case are the same file: `_done` keeps them all"""
    disk = lab.mounted(Ntfs(lab.root / "ntfs.img", lab.root / "inbox", blind=True))
    daemon = lab.daemon(folders={"inbox": disk.point}).start()
    lab.fault()
    contents = set()
    for name in SAME_BUT_FOR_CASE:
        content = daemon.picture(name)
        contents.add(content)
        path = daemon.drop(name, content)
        eventually(lambda path=path: not path.exists())  # type: ignore[misc]
    shelf = daemon.inbox / "_done"
    kept = {path.read_bytes() for path in shelf.iterdir() if path.is_file()}
    assert contents <= kept, f"{sorted(path.name for path in shelf.iterdir())} are not all three"
    nothing_failed(daemon)
    lab.checked(len(kept))


@pytest.mark.parametrize("kind", ["EncFS", "NTFS"])
def test_a_file_that_fails_has_the_longest_name(lab: Lab, kind: str) -> None:
    """EncFS, and NTFS with the rules of Windows: a file whose name is as long as can be fails, and is put away"""
    point = lab.root / "inbox"
    disk: Disk = EncFs(lab.root / "encrypted", point) if kind == "EncFS" else Ntfs(lab.root / "ntfs.img", point)
    lab.mounted(disk)
    daemon = lab.daemon(folders={"inbox": point}).start()
    lab.fault()
    name = _longest(point)
    daemon.inbox.joinpath(name).write_bytes(b"no picture at all" * 20)
    daemon.drop("good.png")
    shelf = daemon.inbox / "_failed"
    eventually(lambda: (shelf / name).exists())
    (reason,) = eventually(lambda: list(shelf.glob("*.error.txt")))
    assert reason.read_text().strip().endswith(".")
    lab.checked(account(daemon))
    is_well(daemon)


def test_a_file_that_its_disk_refuses(lab: Lab) -> None:
    """a file of the inbox that its file system finds broken: it is not called damaged, and no other waits for it"""
    disk = lab.mounted(EncFs(lab.root / "encrypted", lab.root / "inbox", checked=True))
    settings = {"SEEDVR2_MODEL_DTYPE": "float32", "SEEDVR2_DEFAULTS_RESOLUTION": "16"}
    daemon = lab.daemon(folders={"inbox": disk.point}, settings=settings, real=True)
    (disk.point / "spoilt.png").write_bytes(daemon.picture("spoilt.png", "x" * 9000))
    disk.flip()
    with pytest.raises(OSError):
        (disk.point / "spoilt.png").read_bytes()
    lab.fault()
    daemon.start()
    for number in range(3):
        daemon.drop(f"dropped{number}.png")
    eventually(lambda: _completed(daemon) >= {"dropped0.png", "dropped1.png", "dropped2.png"})
    names_trouble(daemon, "spoilt.png", "cannot be read")
    nothing_failed(daemon)
    disk.flip()
    eventually(lambda: "spoilt.png" in _completed(daemon))
    is_well(daemon)
    nothing_failed(daemon)
    lab.checked(4)


def test_inbox_with_read_errors(lab: Lab) -> None:
    """inbox's disk fails with EIO during a job, and is mounted again"""
    disk = lab.disk("inbox")
    daemon = lab.daemon(folders={"inbox": disk.point, "uploads": lab.root / "uploads"}).start()
    daemon.order("hold")
    job_id = daemon.submit("sent.png")
    daemon.wait(job_id, "processing")
    for number in range(3):
        daemon.drop(f"dropped{number}.png")
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == 4)
    # What was not on the disk yet would be lost with it.
    os.sync()
    disk.pull_the_plug()
    lab.fault()
    daemon.revoke("hold")
    names_trouble(daemon, "inbox")
    assert daemon.wait(job_id)["status"] == "completed", "an upload waited for the inbox's disk"
    nothing_failed(daemon)
    daemon.stop()
    disk.close()
    disk.mount()
    daemon.start()
    lab.checked(account(daemon))
    is_well(daemon)
    nothing_failed(daemon)


def test_files_that_vanish(lab: Lab) -> None:
    """files that vanish between the scan and their turn: no file is blamed, and the others are done"""
    daemon = lab.daemon().start()
    taken_back = []
    for number in range(60):
        path = daemon.drop(f"dropped{number}.png")
        if number % 2:
            taken_back.append(path)
    for path in taken_back:
        path.unlink(missing_ok=True)
        lab.fault()
    # Some were made before they could be taken back.
    gone = {path.name for path in taken_back if not (daemon.inbox / "_done" / path.name).exists()}
    daemon.dropped = [each for each in daemon.dropped if each.name not in gone]
    daemon.drop("behind them.png")
    lab.checked(account(daemon))
    is_well(daemon)
    assert not [entry for entry in daemon.history() if entry["status"] == "failed"]
    shelf = daemon.inbox / "_failed"
    assert not shelf.exists() or not list(shelf.iterdir())
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == 0)


def _longest(folder: Path) -> str:
    """The longest name of a picture that the folder takes."""
    for length in range(250, 20, -1):
        name = f"{'n' * length}.png"
        try:
            (folder / name).touch()
        except OSError:
            continue
        (folder / name).unlink()
        return name
    raise AssertionError("no name fits")


def _completed(daemon: Daemon) -> set[str]:
    return {entry["original_filename"] for entry in daemon.history() if entry["status"] == "completed"}
