"""The service's own folders in the inbox must be folders: as links, they would lead its writing anywhere."""

from __future__ import annotations

from pathlib import Path

from daemon.errors import ConfigError
from daemon.inbox.names import DONE, FAILED

UPLOADS = ".uploads"


def check_service_folders(root: Path) -> None:
    """Refuse to start with a link where the service writes.

    Raises:
        ConfigError: `_done`, `_failed` or `.uploads` in the inbox `root` is a symbolic link.
    """
    for name in (DONE, FAILED, UPLOADS):
        if (root / name).is_symlink():
            raise ConfigError(
                f"{root / name} is a symbolic link, and whoever can write to the inbox could lead it anywhere. Remove "
                "it; to keep these files on another disk, mount that there instead."
            )
