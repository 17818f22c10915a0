"""Folders that overlap, vanish, come late or change places."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import Foreign, account, is_well, names_trouble, nothing_failed
from tests.faults.lab import Daemon
from tests.faults.mounts import EncFs, bind

pytestmark = pytest.mark.long

OVERLAPS = ("outputs", "inbox", "models", "state", "inbox/_done", "outputs/new", "inbox/new", "..", ".")


@pytest.mark.parametrize("where", OVERLAPS)
def test_uploads_overlap(lab: Lab, where: str) -> None:
    """`paths.uploads` is, holds or lies in another folder: refused"""
    once = lab.daemon().start()
    once.drop("kept.png")
    lab.checked(account(once))
    lab.foreign.plant_around(once)
    once.stop()
    for folder in (once.outputs, once.inbox, once.folders["models"]):
        lab.foreign.add_tree(folder)
    uploads = {".": once.root, "..": lab.root}.get(where, once.root / where)
    again = lab.daemon(folders={"uploads": uploads})
    lab.fault()
    assert "uploads" in again.refusal()
    lab.checked(lab.foreign.check())


@pytest.mark.parametrize("link", [False, True], ids=["", "link"])
def test_uploads_is_a_folder_of_films(lab: Lab, link: bool) -> None:
    """`paths.uploads` is somebody's folder of films, or a link to it: refused"""
    videos = lab.root / "Videos"
    for name in ("film one.mkv", "0badcafe/film two.mp4"):
        lab.foreign.add(videos / name)
    named = lab.root / "named" if link else videos
    if link:
        named.symlink_to(videos)
    daemon = lab.daemon(folders={"uploads": named})
    lab.fault()
    assert "uploads" in daemon.refusal()
    lab.checked(lab.foreign.check())


@pytest.mark.parametrize("made", [False, True], ids=["fresh", "empty"])
def test_uploads_of_its_own(lab: Lab, made: bool) -> None:
    """`paths.uploads` is a fresh folder, or an empty one: it works, and again after a restart"""
    uploads = lab.root / "own"
    if made:
        uploads.mkdir()
    daemon = lab.daemon(folders={"uploads": uploads}).start()
    daemon.submit("first.png")
    lab.foreign.plant_around(daemon)
    daemon.stop()
    daemon.start()
    daemon.submit("second.png")
    lab.checked(account(daemon) + lab.foreign.check())


def queued(lab: Lab, daemon: Daemon) -> None:
    """A running job, one that waits and a file in the inbox; then an orderly end."""
    daemon.start()
    lab.foreign.plant_around(daemon)
    daemon.order("hold")
    daemon.submit("sent0.png")
    daemon.submit("sent1.png")
    daemon.drop("dropped.png")
    daemon.drop("album/in a folder.png")
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == 4)
    daemon.stop()
    daemon.revoke("hold")


def recovered(lab: Lab, daemon: Daemon) -> None:
    """Everything goes on without a restart."""
    is_well(daemon)
    lab.checked(account(daemon))
    nothing_failed(daemon)
    lab.checked(lab.foreign.check())


def test_state_moved_away(lab: Lab) -> None:
    """state moved away while uploads wait on the inbox's disk: they stay, and the state can come back"""
    disk = lab.disk("inbox")
    daemon = lab.daemon(folders={"inbox": disk.point})
    queued(lab, daemon)
    uploads = disk.point / ".uploads"
    assert len(list(uploads.rglob("sent*.png"))) == 2
    # Not what was planted in the state: that is elsewhere now.
    lab.foreign = Foreign()
    lab.foreign.add_tree(uploads)
    aside = lab.root / "state aside"
    daemon.state.rename(aside)
    lab.fault()
    if daemon.start_or_refusal() is None:
        eventually(lambda: not daemon.health()["queue_length"])
        daemon.stop()
    lab.checked(lab.foreign.check())
    # What was dropped may have been done meanwhile, by a daemon that knows nothing of it.
    shutil.rmtree(daemon.state, ignore_errors=True)
    aside.rename(daemon.state)
    daemon.dropped.clear()
    daemon.start()
    lab.checked(account(daemon))


@pytest.mark.parametrize("which", ["inbox", "outputs", "uploads"])
def test_disk_missing_at_start(lab: Lab, which: str) -> None:
    """disk of inbox, outputs or uploads not mounted at the start, and mounted later"""
    disk = lab.disk("disk")
    daemon = lab.daemon(folders={which: disk.point})
    queued(lab, daemon)
    disk.unmount()
    lab.fault()
    daemon.start()
    names_trouble(daemon, which.removesuffix("s"))
    waits_for_the_disk(daemon, disk.point)
    disk.mount()
    recovered(lab, daemon)


@pytest.mark.parametrize("which", ["inbox", "outputs", "uploads"])
def test_disk_taken_away(lab: Lab, which: str) -> None:
    """disk of inbox, outputs or uploads unmounted (`umount -l`) while jobs wait, and mounted again"""
    disk = lab.disk("disk")
    daemon = lab.daemon(folders={which: disk.point})
    queued(lab, daemon)
    daemon.order("hold")
    daemon.start()
    eventually(lambda: daemon.health()["worker"] == "processing")
    disk.unmount(lazy=True)
    lab.fault()
    daemon.revoke("hold")
    names_trouble(daemon, which.removesuffix("s"))
    waits_for_the_disk(daemon, disk.point)
    disk.mount()
    recovered(lab, daemon)


@pytest.mark.parametrize("which", ["inbox", "outputs", "uploads"])
def test_another_disk_in_its_place(lab: Lab, which: str) -> None:
    """another, empty disk mounted in the place of inbox, outputs or uploads at the start"""
    disk = lab.disk("disk")
    daemon = lab.daemon(folders={which: disk.point})
    queued(lab, daemon)
    # Mounted while the other is: no two disks have the same number at the same time.
    other = lab.disk("other")
    disk.unmount()
    bind(other.point, disk.point)
    lab.fault()
    daemon.start()
    names_trouble(daemon, which.removesuffix("s"))
    waits_for_the_disk(daemon, disk.point)
    disk.unmount(lazy=True)
    disk.mount()
    recovered(lab, daemon)


@pytest.mark.parametrize("which", ["inbox", "outputs", "uploads"])
def test_disk_under_another_number(lab: Lab, which: str) -> None:
    """disk of inbox, outputs or uploads not there at the start, and plugged in again as another device"""
    disk = lab.disk("disk")
    daemon = lab.daemon(folders={which: disk.point})
    queued(lab, daemon)
    before = disk.point.stat().st_dev
    disk.unmount()
    # Disks take the first number that is free: one of the first few has the other's then.
    for number in range(4):
        if lab.disk(f"first{number}").point.stat().st_dev == before:
            break
    lab.fault()
    daemon.start()
    names_trouble(daemon, which.removesuffix("s"))
    disk.mount()
    assert disk.point.stat().st_dev != before
    recovered(lab, daemon)


@pytest.mark.parametrize("which", ["inbox", "outputs", "uploads"])
def test_folder_moved_away(lab: Lab, which: str) -> None:
    """inbox, outputs or uploads moved away while it runs, and back"""
    folder = lab.root / "movable"
    daemon = lab.daemon(folders={which: folder})
    queued(lab, daemon)
    daemon.order("hold")
    daemon.start()
    eventually(lambda: daemon.health()["worker"] == "processing")
    aside = lab.root / "aside"
    folder.rename(aside)
    lab.fault()
    daemon.revoke("hold")
    names_trouble(daemon, which.removesuffix("s"))
    nothing_failed(daemon)
    # A folder of that name would be in the way of its return.
    assert not folder.exists() or not any(folder.iterdir())
    if folder.exists():
        folder.rmdir()
    aside.rename(folder)
    recovered(lab, daemon)


def test_fuse_server_dies(lab: Lab) -> None:
    """what serves the outputs' FUSE file system dies, and it is mounted again"""
    disk = lab.mounted(EncFs(lab.root / "encrypted", lab.root / "outputs"))
    daemon = lab.daemon(folders={"outputs": disk.point}).start()
    daemon.order("hold")
    daemon.submit("running.png")
    daemon.drop("dropped.png")
    eventually(lambda: daemon.health()["worker"] == "processing")
    disk.die()
    lab.fault()
    daemon.revoke("hold")
    names_trouble(daemon, "outputs")
    nothing_failed(daemon)
    disk.close()
    disk.mount()
    recovered(lab, daemon)


def waits_for_the_disk(daemon: Daemon, point: Path) -> None:
    """No task has ended badly, every one is known, and nothing was written where the disk belongs."""
    nothing_failed(daemon)
    for job_id in daemon.accepted:
        assert daemon.status(job_id)["status"] in ("queued", "processing", "completed")
    left = [str(file.relative_to(point)) for file in point.rglob("*") if file.is_file()]
    assert not left, f"written to the bare folder: {left}"
