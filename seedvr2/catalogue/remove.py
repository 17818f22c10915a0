"""Removing a model from this machine: only what this product fetched, unless somebody insists."""

from __future__ import annotations

from pathlib import Path

from seedvr2.catalogue.fetched import was_fetched
from seedvr2.catalogue.folder import TEXT_FILES, how_to_get
from seedvr2.catalogue.places import ModelsDir, folders_of, look
from seedvr2.catalogue.registry import BY_NAME, TEXT, find
from seedvr2.errors import CheckpointError, MachineError, ModelNotInstalledError, NotOursError
from seedvr2.nano import NAME


def removable(name: str, models_dir: ModelsDir) -> Path:
    """The file that `name`, or a short form of it, means; the first in the folders.

    Raises:
        ModelNotInstalledError: there is no such file.
    """
    if name == NAME:
        raise NotOursError(f"{NAME} comes with this program and cannot be removed.")
    files = [path for path, _own in look(models_dir).files]
    for wanted in _names(name):
        found = next((path for path in files if path.name == wanted), None)
        if found is not None:
            return found
    raise ModelNotInstalledError(f"There is no {name} to be removed. {how_to_get(name, models_dir)}")


def identity(path: Path) -> str:
    """What two programs of a machine know a file by, whatever its folder is called to each: `device-inode`.

    Raises:
        MachineError: the disk does not say.
    """
    try:
        status = path.lstat()
    except OSError as error:
        raise MachineError(f"{path} cannot be looked at: {error.strerror}.", error.errno or 0) from error
    return f"{status.st_dev:x}-{status.st_ino:x}"


def remove(path: Path, models_dir: ModelsDir, *, force: bool = False) -> int:
    """Delete the file of a model; answers its size in bytes.

    Args:
        force: also a file that was not fetched by this product. Never one in a folder of another program.

    Raises:
        NotOursError: it is somebody else's. MachineError: the disk refuses.
    """
    if path.parent.resolve() not in [folder.resolve() for folder in folders_of(models_dir)]:
        raise NotOursError(f"{path} lies in a folder of another program, which has to remove it.")
    if not force and not was_fetched(path):
        raise NotOursError(f"{path} was not fetched by this program, so it is left alone unless you force it.")
    try:
        size = path.lstat().st_size
        path.unlink()
    except OSError as error:
        raise MachineError(f"{path} cannot be removed: {error.strerror}.", error.errno or 0) from error
    return size


def _names(name: str) -> tuple[str, ...]:
    try:
        full = name if Path(name).name in BY_NAME else find(name).name
    except CheckpointError:
        full = name
    return (name, *TEXT_FILES) if full == TEXT else (name, full)
