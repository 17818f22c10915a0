"""The folder of a cluster's secrets: who may read it, and what is in it.

On the head it is `[cluster] secrets`, or `cluster` in the state folder; a machine that joins has one within its own.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from daemon.errors import ClusterError

CA, CA_KEY, NODE, NODE_KEY, TOKEN = "ca.crt", "ca.key", "node.crt", "node.key", "token"
# What Ray reads; the key of the authority is only for those who add machines.
NEEDED = (CA, NODE, NODE_KEY, TOKEN)
JOINED = "joined"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TOKEN_BYTES = 32


def new_token() -> bytes:
    """256 random bits, as hexadecimal digits."""
    return secrets.token_hex(_TOKEN_BYTES).encode("ascii")


def make_folder(folder: Path) -> None:
    """Make it for its owner alone. Raises ClusterError: it cannot be made, or others may use it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ClusterError(f"{folder} cannot be made: {error.strerror}.") from error
    _check_private(folder)
    _hand_over(folder, folder.parent)


def write_secret(folder: Path, name: str, data: bytes) -> None:
    """Put a file in place whole, for its owner alone. Raises ClusterError."""
    path = folder / name
    temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _hand_over(temporary, folder)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ClusterError(f"{path} cannot be written: {error.strerror}.") from error


def read_secret(path: Path) -> bytes:
    """What is in a file that nobody else can read. Raises ClusterError."""
    _check_private(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClusterError(f"{path} cannot be read: {error.strerror}.") from error


def check_secrets(folder: Path, names: Iterable[str] = NEEDED, *, how: str = "seedvr2d cluster init") -> None:
    """Raise ClusterError where a file is missing, or others may read it or put another in its place.

    Args:
        how: the command that makes them.
    """
    for path in (folder, *(folder / name for name in names)):
        try:
            path.lstat()
        except FileNotFoundError:
            raise ClusterError(f"{path} is not there; make it with `{how}`.") from None
        except OSError as error:
            raise ClusterError(f"{path} cannot be read: {error.strerror}.") from error
        _check_private(path)


def _check_private(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise ClusterError(f"{path} cannot be read: {error.strerror}.") from error
    mode = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
    if status.st_mode & _OTHERS:
        raise ClusterError(f"Others may use {path}, which is secret: `chmod {mode:o} {path}`, and if they may have, "
                           "`seedvr2d cluster rotate`.")  # fmt: skip
    if status.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        raise ClusterError(f"{path} belongs to another user; it has to be of the one that runs seedvr2d.")


def _hand_over(path: Path, like: Path) -> None:
    """What root makes for a service belongs to the user of the service."""
    owner = like.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)
