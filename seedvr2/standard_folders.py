"""Where the configuration and the data are when nobody says so: in a checkout there, else in this user's folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CONFIG_NAME = "config.toml"
PROGRAM = "seedvr2d"
SYSTEM_CONFIG = Path("/etc") / PROGRAM
SYSTEM_DATA = Path("/var/lib") / PROGRAM
# The folder that holds the packages: a checkout, or `site-packages`.
ROOT = Path(__file__).resolve().parents[1]


def user_config(environment: Mapping[str, str]) -> Path:
    """The folder of this user's configuration: `~/.config/seedvr2d`."""
    return _base(environment, "XDG_CONFIG_HOME", ".config") / PROGRAM


def user_data(environment: Mapping[str, str]) -> Path:
    """The folder of this user's data: `~/.local/share/seedvr2d`."""
    return _base(environment, "XDG_DATA_HOME", ".local/share") / PROGRAM


def find_config(environment: Mapping[str, str]) -> Path | None:
    """The configuration file: `SEEDVR2_CONFIG`, else that of the current folder, this user or this machine, if any."""
    named = environment.get("SEEDVR2_CONFIG")
    if named:
        return Path(named)
    for folder in (Path(), user_config(environment), SYSTEM_CONFIG):
        if _is_file(folder / CONFIG_NAME):
            return folder / CONFIG_NAME
    return None


def default_folder(config: Path | None, environment: Mapping[str, str]) -> Path:
    """The folder of the inbox, the outputs and all else that the configuration file, if there is one, does not name.

    That is where the file is; for the file of this user and of this machine it is the folder of their data. Without a
    file it is the current folder where that is a checkout, or holds an inbox and the state of an earlier run.
    """
    if config is not None:
        folder = config.resolve().parent
        if folder == user_config(environment).resolve():
            return user_data(environment)
        return SYSTEM_DATA if folder == SYSTEM_CONFIG else folder
    here = Path.cwd()
    used = (here / "inbox").is_dir() and (here / "state").is_dir()
    return here if used or (here == ROOT and is_checkout()) else user_data(environment)


def is_checkout() -> bool:
    """Whether the program runs from its sources."""
    return (ROOT / "pyproject.toml").is_file()


def _base(environment: Mapping[str, str], variable: str, usual: str) -> Path:
    # As the standard says, a relative one is as good as none.
    stated = Path(environment.get(variable, ""))
    return stated if stated.is_absolute() else Path(environment.get("HOME") or Path.home()) / usual


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that only others may enter
        return False
