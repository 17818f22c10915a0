"""Which files an assistant may read and write: those in the allowed folders, with links resolved first."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from mcp.server.mcpserver.exceptions import ToolError


def open_source(path: str, folders: Sequence[Path]) -> BinaryIO:
    """Open a file to be sent. Raises ToolError if it may not be read, or cannot."""
    source = _allowed(_resolved(path), path, folders)
    try:
        # O_NOFOLLOW: a link that was put there after the check. O_NONBLOCK: a pipe would wait for its writer.
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ToolError(f"{path} is not a file.")
    return os.fdopen(descriptor, "rb")


def upload_name(path: str) -> str:
    """The name under which a file is sent: the one that was asked for, also where that is a link."""
    return _plain(path).name


def source_folder(path: str, folders: Sequence[Path]) -> Path:
    """A folder that may be looked into. Raises ToolError: it may not, or there is none."""
    folder = _allowed(_resolved(path), path, folders)
    if not folder.is_dir():
        raise ToolError(f"There is no folder {path}.")
    return folder


def target_path(path: str, name: str, folders: Sequence[Path]) -> Path:
    """Where a result called `name` goes: into the folder `path`, or to that path itself. Raises ToolError."""
    # The name is the server's word; only its last part may count.
    plain = Path(name).name or "result"
    target = _resolved(path)
    if target.is_dir():
        target = target / plain
    _allowed(target, path, folders)
    if not target.parent.is_dir():
        raise ToolError(f"There is no folder {target.parent}.")
    # Otherwise a result could be written as a start-up script or the like.
    if target.suffix.lower() != Path(plain).suffix.lower():
        raise ToolError(f"The result is a {Path(plain).suffix or 'file without suffix'}: name the file accordingly.")
    if os.path.lexists(target):
        raise ToolError(f"{target} is there already. Give another name.")
    return target


def _plain(path: str) -> Path:
    text = path.strip()
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    if not text or "\0" in text:
        raise ToolError("Give the path of a file.")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ToolError(f"{path} names no home folder that is known here.") from None


def _resolved(path: str) -> Path:
    try:
        return _plain(path).resolve()
    except (OSError, RuntimeError):
        raise ToolError(f"{path} cannot be read: its links lead nowhere.") from None


def _allowed(resolved: Path, path: str, folders: Sequence[Path]) -> Path:
    if not any(resolved.is_relative_to(folder) for folder in folders):
        allowed = ", ".join(map(str, folders)) or "no folder"
        raise ToolError(f"{path} is outside of what may be used here ({allowed}). SEEDVR2_MCP_FOLDERS names others.")
    return resolved
