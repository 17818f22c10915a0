"""Records what this process does to a folder, as steps of the disk in `power.py`."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.power import Disk

Step = Callable[[Disk], None]
FOLDER = -1


class Recorder:
    """Stands in front of the functions of `os` that change files. Not for programs with several writing threads."""

    def __init__(self, folder: Path) -> None:
        self.steps: list[Step] = []
        self._folder = folder
        self._before = {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else {}
        self._ids = {name: number for number, name in enumerate(self._before)}
        self._next = len(self._ids)
        self._open: dict[int, int] = {}

    def disk(self) -> Disk:
        """The disk as it was before the first step."""
        return Disk(self._before)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Watch from now on."""
        for name in ("open", "close", "write", "pwrite", "ftruncate", "fsync", "fdatasync", "fdopen", "rename", "link"):
            patch.setattr(os, name, getattr(self, f"on_{name}")(getattr(os, name)))
        patch.setattr(os, "replace", self.on_rename(os.replace))
        for name in ("unlink", "remove"):
            patch.setattr(os, name, self.on_unlink(getattr(os, name)))

    def verify(self) -> None:
        """Everything was seen: the model's folder is the real one."""
        disk = self.disk()
        for step in self.steps:
            step(disk)
        real = {file.name: file.read_bytes() for file in self._folder.iterdir()}
        assert disk.seen() == real, "something was written past the recorder"

    # -- the functions ------------------------------------------------------------------------------------

    def on_open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            descriptor = real(path, flags, mode, dir_fd=dir_fd)
            name = self._name(path, dir_fd)
            if name is not None:
                self._opened(descriptor, name, flags)
            elif self._path(path, dir_fd) == self._folder:
                self._open[descriptor] = FOLDER
            return descriptor

        return call

    def _opened(self, descriptor: int, name: str, flags: int) -> None:
        if name not in self._ids:
            file = self._ids[name] = self._next
            self._next += 1
            self.steps.append(lambda disk: disk.make(name, file))
        elif flags & os.O_TRUNC:
            file = self._ids[name]
            self.steps.append(lambda disk: disk.write(file, 0, None))
        self._open[descriptor] = self._ids[name]

    def on_close(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            self._open.pop(descriptor, None)
            real(descriptor)

        return call

    def on_write(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(descriptor: int, data: Any) -> int:
            count = real(descriptor, data)
            if descriptor in self._open:
                self._wrote(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR) - count, bytes(data)[:count])
            return count

        return call

    def on_pwrite(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(descriptor: int, data: Any, place: int) -> int:
            count = real(descriptor, data, place)
            self._wrote(descriptor, place, bytes(data)[:count])
            return count

        return call

    def on_ftruncate(self, real: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def call(descriptor: int, size: int) -> None:
            real(descriptor, size)
            self._wrote(descriptor, size, None)

        return call

    def on_fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            real(descriptor)
            file = self._open.get(descriptor)
            if file == FOLDER:
                self.steps.append(lambda disk: disk.sync_folder())
            elif file is not None:
                self.steps.append(lambda disk: disk.sync(file))

        return call

    on_fdatasync = on_fsync

    def on_fdopen(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, mode: str = "r", *more: Any, **named: Any) -> Any:
            if descriptor in self._open and "b" in mode and "r" not in mode:
                return _Unbuffered(descriptor)
            return real(descriptor, mode, *more, **named)

        return call

    def on_rename(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(old: Any, new: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
            real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            before, after = self._name(old, src_dir_fd), self._name(new, dst_dir_fd)
            if before is not None and after is not None and before != after:
                self._ids[after] = self._ids.pop(before)
                self.steps.append(lambda disk: disk.rename(before, after))

        return call

    def on_link(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(old: Any, new: Any, **named: Any) -> None:
            real(old, new, **named)
            before, after = self._name(old, named.get("src_dir_fd")), self._name(new, named.get("dst_dir_fd"))
            if before is not None and after is not None:
                file = self._ids[after] = self._ids[before]
                self.steps.append(lambda disk: disk.link(file, after))

        return call

    def on_unlink(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *, dir_fd: int | None = None) -> None:
            real(path, dir_fd=dir_fd)
            name = self._name(path, dir_fd)
            if name is not None:
                del self._ids[name]
                self.steps.append(lambda disk: disk.unlink(name))

        return call

    # -- inside -------------------------------------------------------------------------------------------

    def _wrote(self, descriptor: int, place: int, data: bytes | None) -> None:
        file = self._open.get(descriptor, FOLDER)
        if file != FOLDER:
            self.steps.append(lambda disk: disk.write(file, place, data))

    def _name(self, path: Any, dir_fd: int | None) -> str | None:
        whole = self._path(path, dir_fd)
        return whole.name if whole is not None and whole.parent == self._folder else None

    @staticmethod
    def _path(path: Any, dir_fd: int | None) -> Path | None:
        if isinstance(path, int):
            return None
        base = Path(f"/proc/self/fd/{dir_fd}").readlink() if dir_fd is not None else Path.cwd()
        return base / os.fsdecode(path)


class _Unbuffered(io.RawIOBase):
    """What `os.fdopen` answers: each write goes through `os.write`, where it is recorded."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any) -> int:
        return os.write(self._descriptor, data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
