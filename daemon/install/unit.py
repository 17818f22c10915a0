"""The unit of systemd for this installation: the one that ships, with the program and its folder put in."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from daemon.install.shipped import shipped
from seedvr2.standard_folders import CONFIG_NAME, ROOT, SYSTEM_CONFIG, is_checkout

NAME = "seedvr2d.service"
_HEAD = "# Written by `seedvr2d install-service`; changes go into `systemctl edit seedvr2d`."
# ProtectHome= hides these from a service of the machine.
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))


def program() -> list[str]:
    """The words that start the daemon of this installation, with whole paths."""
    script = Path(sys.executable).with_name("seedvr2d")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "daemon"]


def is_hidden(words: list[str]) -> bool:
    """Whether a service of the machine could not reach the program."""
    places = (Path(words[0]), Path(words[0]).resolve(), ROOT)
    return any(place.is_relative_to(hidden) for place in places for hidden in _HIDDEN)


def user_unit(words: list[str]) -> str:
    """The unit of a user. In a checkout its configuration and folders are used."""
    folder = str(ROOT) if is_checkout() else "%h"
    text = shipped(f"systemd/user/{NAME}")
    text = _with(text, "WorkingDirectory", folder.replace("%", "%%") if is_checkout() else folder)
    return _without_head(_with(text, "ExecStart", quoted(words)))


def system_unit(words: list[str]) -> str:
    """The unit of the machine, which reads `/etc/seedvr2d/config.toml`."""
    text = shipped(f"systemd/{NAME}")
    return _without_head(_with(text, "ExecStart", quoted([*words, "--config", str(SYSTEM_CONFIG / CONFIG_NAME)])))


def is_ours(text: str) -> bool:
    """Whether a unit is one of this program's, so that it may be replaced or removed."""
    return "Description=seedvr2d:" in text and re.search(r"(?m)^ExecStart=.*(seedvr2d|-m daemon)", text) is not None


def _with(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^{key}=.*$", lambda _found: f"{key}={value}", text)


def _without_head(text: str) -> str:
    """Without the comment at the top, which says how to copy the file by hand."""
    return (
        "# Written by `seedvr2d install-service`; changes go into `systemctl edit seedvr2d`.\n"
        + text[text.index("[Unit]") :]
    )


def quoted(words: list[str]) -> str:
    """Words as systemd takes them in `ExecStart=`."""
    escaped = (word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") for word in words)
    return " ".join(f'"{word}"' if re.search(r"[\s\"']", word) else word for word in escaped)
