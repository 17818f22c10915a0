"""The configuration that `init` writes: the one that ships, commented, with folders that exist for this user."""

from __future__ import annotations

import json
import re
from pathlib import Path

from daemon.errors import InstallError
from daemon.install.shipped import shipped
from seedvr2.standard_folders import CONFIG_NAME

FOLDERS = ("inbox", "outputs", "state", "models")


def configuration(folders: dict[str, Path]) -> str:
    """The configuration with these folders, by the names of `[paths]`."""
    head, paths, rest = re.split(r"(?m)^(?=\[paths\]|\[server\])", shipped(CONFIG_NAME), maxsplit=2)
    for name, folder in folders.items():
        stated = json.dumps(str(folder), ensure_ascii=False)
        line = re.search(rf"(?m)^{name} = (\[?).*$", paths)
        if line is not None:
            paths = paths.replace(line[0], f"{name} = " + (f"[{stated}]" if line[1] else stated))
    return head + paths + rest


def write_configuration(file: Path, folders: dict[str, Path]) -> None:
    """Write it, where there is none yet, readable by this user and its group. Raises InstallError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(configuration(folders))
        # A token may be put into it.
        file.chmod(0o640)
    except FileExistsError:
        raise InstallError(f"{file} is there already; edit it, or move it away first.") from None
    except OSError as error:
        raise InstallError(f"{file} cannot be written: {error.strerror}.") from error
