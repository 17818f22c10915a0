"""Results that cannot be put in place: another name, a copy, or that one job fails with its result kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account, is_well
from tests.faults.lab import AS_NOBODY, NOBODY, Daemon
from tests.faults.mounts import EncFs, Ntfs, needs, tmpfs

pytestmark = pytest.mark.long

# Stems of 164 to 250 bytes, of one byte and of three bytes a character.
LONG = ("a" * 164, "b" * 200, "c" * 240, "d" * 246, "ü" * 100, "漢" * 70, "x.y " * 60)


def others_complete(lab: Lab, daemon: Daemon, prefix: str = "", *, failed: tuple[str, ...] = ()) -> None:
    """The jobs behind it are done, now and after a kill, and the next start succeeds."""
    daemon.submit(f"{prefix}behind.png")
    daemon.drop(f"{prefix}behind it.png")
    lab.checked(account(daemon, failed=failed))
    is_well(daemon)
    daemon.kill()
    daemon.start()
    daemon.submit("after the restart.png")
    lab.checked(account(daemon, failed=failed))
    lab.checked(lab.foreign.check())


@contextmanager
def killed_while_in_work(daemon: Daemon, names: int) -> Iterator[None]:
    """Hold the jobs that the block gives until one runs, kill, start again: the start must succeed."""
    daemon.order("hold-end")
    yield
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == names)
    eventually(lambda: list(daemon.outputs.glob(".work/**/result.png")))
    daemon.kill()
    daemon.revoke("hold-end")
    daemon.start()


def test_folder_is_a_file(lab: Lab) -> None:
    """outputs/fam is a file: that job fails, its result is kept and named"""
    daemon = lab.daemon().start()
    lab.foreign.add(daemon.outputs / "fam")
    lab.fault()
    with killed_while_in_work(daemon, 1):
        daemon.drop("fam/picture.png")
    kept_or_completed(lab, daemon, "picture.png")


def test_folder_of_another_user(lab: Lab) -> None:
    """outputs/fam belongs to another user: that job fails, its result is kept and named"""
    needs("setpriv")
    daemon = lab.daemon(before=AS_NOBODY)
    for folder in (daemon.root, *daemon.folders.values(), daemon.control):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, NOBODY, NOBODY)
    daemon.start()
    (daemon.outputs / "fam").mkdir(mode=0o755)
    (daemon.inbox / "fam").mkdir()
    os.chown(daemon.inbox / "fam", NOBODY, NOBODY)
    lab.fault()
    with killed_while_in_work(daemon, 1):
        daemon.drop("fam/picture.png")
    kept_or_completed(lab, daemon, "picture.png")


def kept_or_completed(lab: Lab, daemon: Daemon, name: str) -> None:
    """The job of `name` failed with a path that exists, or was completed elsewhere; the others go on."""
    (entry,) = eventually(lambda: [each for each in daemon.history() if each["original_filename"] == name])
    if entry["status"] == "completed":
        return others_complete(lab, daemon)
    assert entry["status"] == "failed", entry
    kept = Path(daemon.status(entry["id"])["output_path"])
    assert kept.is_file() and kept.name in entry["error"], entry
    return others_complete(lab, daemon, failed=(name,))


def test_folder_on_another_disk(lab: Lab) -> None:
    """outputs/fam is a link to another file system (EXDEV): completed by a copy"""
    daemon = lab.daemon().start()
    disk = lab.mounted(tmpfs(lab.root / "elsewhere"))
    (daemon.outputs / "fam").symlink_to(disk.point)
    lab.fault()
    with killed_while_in_work(daemon, 2):
        daemon.drop("fam/picture.png")
        daemon.drop("fam/again.png")
    others_complete(lab, daemon)


def test_rules_of_windows(lab: Lab) -> None:
    """NTFS with the rules of Windows: completed under cleaned names, in cleaned folders"""
    disk = lab.mounted(Ntfs(lab.root / "ntfs.img", lab.root / "outputs"))
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    lab.fault()
    names = ("Trip: day 1?.png", 'a "quoted" <name>|*.png', "ends with a dot. .png", "CON.png", "back\\slash.png")
    with killed_while_in_work(daemon, len(names) + 2):
        for name in names:
            daemon.drop(name)
        daemon.drop("Day: 1/in a folder.png")
        daemon.drop("1st. /? /deeper.png")
    others_complete(lab, daemon)


def test_short_names_only(lab: Lab) -> None:
    """EncFS: names that are too long for it are shortened"""
    disk = lab.mounted(EncFs(lab.root / "encrypted", lab.root / "outputs"))
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    lab.fault()
    with killed_while_in_work(daemon, 2 * len(LONG)):
        for stem in LONG:
            daemon.submit(f"{stem}.png")
            daemon.drop(f"{stem[:-1]}.png")
    others_complete(lab, daemon)


def test_short_folders_only(lab: Lab) -> None:
    """EncFS: a folder whose name is too long for it"""
    disk = lab.mounted(EncFs(lab.root / "encrypted", lab.root / "outputs"))
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    lab.fault()
    with killed_while_in_work(daemon, 1):
        daemon.drop(f"{'f' * 220}/picture.png")
    kept_or_completed(lab, daemon, "picture.png")


def test_a_thousand_nested_folders(lab: Lab) -> None:
    """a thousand nested folders in the inbox: passed over or done, and nothing behind them waits"""
    daemon = lab.daemon().start()
    here = os.open(daemon.inbox, os.O_RDONLY)
    try:
        for _ in range(1000):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    lab.fault()
    daemon.submit("behind.png")
    daemon.drop("behind it.png")
    lab.checked(account(daemon))
    subprocess.run(["rm", "-rf", str(daemon.inbox / "d")], check=True)
    others_complete(lab, daemon, "after ")
