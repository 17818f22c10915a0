"""Files that come with the program and are no part of a package: the configuration and the units of systemd."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files

from daemon.errors import InstallError
from seedvr2.standard_folders import PROGRAM, ROOT, is_checkout


def shipped(name: str) -> str:
    """The text of a file by its path in a checkout, such as `systemd/seedvr2d.service`. Raises InstallError."""
    if is_checkout():
        return (ROOT / name).read_text(encoding="utf-8")
    try:
        listed = files(PROGRAM) or ()
    except PackageNotFoundError:
        listed = ()
    for file in listed:
        if file.as_posix().endswith(f"share/{PROGRAM}/{name}"):
            return file.read_text(encoding="utf-8")
    raise InstallError(f"{name} did not come with this installation; install seedvr2d anew.")
