"""Disks that fill up, turn read-only, vanish and come back: real mounts, each undone by `close`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Protocol

import pytest

# ext4's EXT4_IOC_SHUTDOWN, and its way that writes nothing more: what a pulled plug does.
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
_PATIENCE_S = 20.0
_TRIES = 100


class Disk(Protocol):
    """Something mounted at `point`."""

    point: Path

    def close(self) -> None:
        """Unmount it, whatever state it is in."""


class Ext4:
    """A small ext4 file system in a file, on a loop device."""

    def __init__(self, image: Path, point: Path, mib: int = 24) -> None:
        needs("mkfs.ext4", "mount", "umount")
        self.point = point
        self._image = image
        with image.open("wb") as file:
            file.truncate(mib << 20)
        _do("mkfs.ext4", "-q", "-m", "0", str(image))
        self.mount()

    def mount(self) -> None:
        """Mount it at its point."""
        self.point.mkdir(parents=True, exist_ok=True)
        _do("mount", "-o", "loop", str(self._image), str(self.point))
        # Not ours to find: a folder of root's that every new ext4 has.
        with contextlib.suppress(OSError):
            (self.point / "lost+found").rmdir()
        self.point.chmod(0o777)

    def unmount(self, *, lazy: bool = False) -> None:
        """Take it away; `lazy` also while files on it are open."""
        _do("umount", *(["-l"] if lazy else []), str(self.point))

    def fill(self) -> None:
        """Leave not one byte."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        os.write(descriptor, b"\0" * size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        assert os.statvfs(self.point).f_bavail == 0

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def pull_the_plug(self) -> None:
        """Let every access to the disk fail with EIO from now on."""
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Unmount it, as often as it is mounted."""
        take_away(self.point)

    @property
    def _filler(self) -> Path:
        return self.point / ".filler"


def bind(source: Path, point: Path) -> None:
    """Mount at `point` what is at `source`."""
    _do("mount", "--bind", str(source), str(point))


class Ntfs:
    """NTFS with the rules of Windows for names; `blind` to the case of letters too, as Windows is."""

    def __init__(self, image: Path, point: Path, *, blind: bool = False) -> None:
        driver, options = ("lowntfs-3g", "windows_names,ignore_case") if blind else ("ntfs-3g", "windows_names")
        needs("mkfs.ntfs", driver, "umount")
        self.point = point
        point.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(24 << 20)
        _do("mkfs.ntfs", "-q", "-F", "-Q", str(image))
        _do(driver, "-o", options, str(image), str(point))

    def close(self) -> None:
        """Unmount it."""
        take_away(self.point)


class EncFs:
    """An encrypted folder, whose names may be shorter than elsewhere. The process that serves it can be killed.

    `checked` ones notice that a block of a file is not what was written, and refuse to read it.
    """

    def __init__(self, store: Path, point: Path, *, checked: bool = False) -> None:
        needs("encfs", "umount")
        self.point = point
        self._store = store
        self._way = "--paranoia" if checked else "--standard"
        self.mount()

    def mount(self) -> None:
        """Mount it; the second time it is the same folder again."""
        for folder in (self._store, self.point):
            folder.mkdir(parents=True, exist_ok=True)
        command = ["encfs", "-f", self._way, "--stdinpass", str(self._store), str(self.point)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(b"password\n")
        deadline = time.monotonic() + _PATIENCE_S
        while not os.path.ismount(self.point):
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.skip("encfs does not mount here")
            time.sleep(0.05)

    def flip(self) -> None:
        """Change one byte of the largest file; a second time changes it back."""
        victim = max((each for each in self._store.rglob("*") if each.is_file()), key=lambda each: each.stat().st_size)
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 0xFF
        victim.write_bytes(content)

    def die(self) -> None:
        """Kill what serves it: every access fails from now on."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Unmount it."""
        take_away(self.point)
        self.die()


class ReadOnly:
    """A folder that turns read-only where it is, even while files in it are open for writing."""

    def __init__(self, point: Path) -> None:
        needs("mount", "umount")
        self.point = point
        # On itself: the same device and the same files, seen through a mount that can be made read-only.
        _do("mount", "--bind", str(point), str(point))
        read_only = ("mount", "-o", "remount,bind,ro", str(point))
        for _ in range(_TRIES):
            # Somebody may have opened a file for writing through it already.
            if subprocess.run(read_only, capture_output=True).returncode == 0:
                return
            _do("umount", "-l", str(point))
            _do("mount", "--bind", str(point), str(point))
        _do(*read_only)

    def close(self) -> None:
        """Let it be written again."""
        _do("umount", "-l", str(self.point))


def tmpfs(point: Path, mib: int = 16) -> Disk:
    """A disk in memory."""
    needs("mount", "umount")
    point.mkdir(parents=True, exist_ok=True)
    _do("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0777", "tmpfs", str(point))
    return _Mounted(point)


class _Mounted:
    def __init__(self, point: Path) -> None:
        self.point = point

    def close(self) -> None:
        take_away(self.point)


def take_away(point: Path) -> None:
    """Unmount whatever is mounted at `point`, one over the other; lazily where it is in use."""
    while is_mounted(point):
        if subprocess.run(["umount", str(point)], capture_output=True).returncode != 0:
            _do("umount", "-l", str(point))


def is_mounted(point: Path) -> bool:
    """Whether something is mounted there; answers also for a file system whose server is dead."""
    escaped = str(point).replace(" ", "\\040")
    return any(line.split()[4] == escaped for line in Path("/proc/self/mountinfo").read_text().splitlines())


def needs(*tools: str) -> None:
    """Skip the row where it cannot make its fault."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 and "mount" in command[0] and "permission denied" in done.stderr:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
