"""A disk that is not mounted is not taken for one that was emptied. What the system says of mounts is made up here."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.store.disks import Disks
from daemon.store.mounts import Mount, mount_of

ROOT = "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw"


class Machine:
    """Mounts as a test wants them, around a real folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.table = folder, folder / "mountinfo"
        self.point = folder / "mnt"
        self.inbox = self.point / "inbox"
        self.inbox.mkdir(parents=True)
        self.fsid = 3
        monkeypatch.setattr("daemon.store.disks._fsid", self._number)
        self.unmount()

    def _number(self, _folder: Path) -> int:
        _folder.stat()
        return self.fsid

    def unmount(self) -> None:
        """Below is the disk of the root, whose number is 3."""
        self.fsid = 3
        self.table.write_text(ROOT + "\n")

    def mount(self, source: str, kind: str = "ext4", fsid: int = 1) -> None:
        escaped = str(self.point).replace(" ", "\\040")
        self.fsid = fsid
        self.table.write_text(f"{ROOT}\n30 21 8:1 / {escaped} rw - {kind} {source} rw\n")

    def disks(self) -> Disks:
        """As after a start."""
        return Disks(self.folder / "disks.json", {"inbox": self.inbox}, self.table)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "a folder", monkeypatch)


def test_what_is_mounted_where(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        f"{ROOT}\n30 21 8:1 / /mnt/my\\040disk rw,nosuid shared:1 - ext4 /dev/sdb1 rw\n"
        "31 21 0:50 / /mnt/nas rw - nfs4 nas:/films rw\nrubbish\n32 21 0:51 / /mnt/nas rw - cifs //nas/films rw\n"
    )
    assert mount_of(Path("/mnt/my disk/a/b"), table) == Mount("/mnt/my disk", "ext4", "/dev/sdb1")
    assert mount_of(Path("/mnt/nas/a"), table) == Mount("/mnt/nas", "cifs", "//nas/films")
    assert mount_of(Path("/mnt/nasty"), table) == Mount("/", "ext4", "/dev/vda")
    assert mount_of(Path("/x"), tmp_path / "none") == Mount("/")


def test_a_disk_that_was_there_is_missed_until_it_is_back(machine: Machine) -> None:
    machine.mount("/dev/sdb1")
    assert machine.disks().missing("inbox") == ""
    machine.unmount()
    disks = machine.disks()
    assert "is not mounted" in disks.missing("inbox")
    # Not even made where the mount point is bare.
    machine.inbox.rmdir()
    disks.make("inbox", needed=False)
    assert not machine.inbox.exists()
    machine.inbox.mkdir()
    machine.mount("/dev/sdb1")
    assert disks.missing("inbox", needed=True) == ""


def test_a_disk_that_goes_while_it_runs(machine: Machine) -> None:
    machine.mount("/dev/sdb1")
    disks = machine.disks()
    assert disks.missing("inbox") == ""
    machine.unmount()
    assert "is not mounted" in disks.missing("inbox")


def test_the_same_disk_under_another_name_is_the_same(machine: Machine) -> None:
    machine.mount("/dev/sdb1", fsid=5)
    machine.disks().missing("inbox")
    machine.mount("/dev/sdc1", fsid=5)
    assert machine.disks().missing("inbox", needed=True) == ""


@pytest.mark.parametrize(("kind", "fsid"), [("ext4", 6), ("xfs", 6), ("btrfs", 6)])
def test_another_disk_is_not_taken_for_it_while_files_are_waited_for(machine: Machine, kind: str, fsid: int) -> None:
    machine.mount("/dev/sdb1", kind, fsid=5)
    machine.disks().missing("inbox")
    machine.mount("/dev/sdc1", kind, fsid=fsid)
    disks = machine.disks()
    assert "another disk is mounted" in disks.missing("inbox", needed=True)
    # With nothing to lose it is simply the new one.
    assert disks.missing("inbox") == ""
    assert disks.missing("inbox", needed=True) == ""


def test_another_image_behind_the_same_loop_device_is_another_disk(machine: Machine) -> None:
    machine.mount("/dev/loop0", fsid=5)
    machine.disks().missing("inbox")
    machine.mount("/dev/loop0", fsid=6)
    assert "another disk is mounted" in machine.disks().missing("inbox", needed=True)


def test_a_share_has_no_number_but_a_name(machine: Machine) -> None:
    machine.mount("nas:/films", "nfs4", fsid=5)
    machine.disks().missing("inbox")
    machine.mount("nas:/films", "nfs4", fsid=6)
    assert machine.disks().missing("inbox", needed=True) == ""


def test_a_disk_that_comes_late_is_taken(machine: Machine) -> None:
    disks = machine.disks()
    assert disks.missing("inbox") == ""
    machine.mount("/dev/sdb1")
    assert "another disk" in disks.missing("inbox", needed=True)
    assert disks.missing("inbox") == ""


def test_a_bind_mount_that_goes_leaves_the_same_disk(machine: Machine) -> None:
    machine.mount("/dev/vda", fsid=3)
    machine.disks().missing("inbox")
    machine.unmount()
    assert machine.disks().missing("inbox", needed=True) == ""


def test_a_folder_that_somebody_needs_is_not_made_anew(machine: Machine) -> None:
    machine.disks().missing("inbox")
    away = machine.inbox.rename(machine.inbox.with_name("away"))
    disks = machine.disks()
    disks.make("inbox", needed=True)
    assert not machine.inbox.exists()
    assert "not there any more" in disks.missing("inbox", needed=True)
    away.rename(machine.inbox)
    assert disks.missing("inbox", needed=True) == ""
    machine.inbox.rmdir()
    disks.make("inbox", needed=False)
    assert machine.inbox.is_dir()


def test_a_setting_that_names_another_folder_begins_anew(machine: Machine) -> None:
    machine.mount("/dev/sdb1")
    machine.disks().missing("inbox")
    machine.unmount()
    other = machine.folder / "other"
    disks = Disks(machine.folder / "disks.json", {"inbox": other}, machine.table)
    disks.make("inbox", needed=False)
    assert other.is_dir()


@pytest.mark.parametrize("damage", ["", "[", "[]", '{"inbox": 3}', '{"inbox": {"path": 1}}'])
def test_a_damaged_memory_is_begun_anew(machine: Machine, damage: str) -> None:
    (machine.folder / "disks.json").write_text(damage)
    assert machine.disks().missing("inbox") == ""


def test_what_a_path_lies_in(machine: Machine) -> None:
    disks = machine.disks()
    disks.add("uploads", machine.inbox / ".uploads")
    assert disks.holds(str(machine.inbox / "a.png")) == "inbox"
    assert disks.holds(str(machine.inbox / ".uploads" / "x" / "a.png")) == "uploads"
    assert disks.holds("/elsewhere/a.png") == ""
