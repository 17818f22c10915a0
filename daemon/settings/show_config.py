"""`check-config`: the effective settings, each with where it comes from, and no secret."""

from __future__ import annotations

import json
import os
import stat
from typing import Any
from urllib.parse import urlsplit

from daemon.jobs.parameters import JOB_PARAMETERS
from daemon.settings.config import Config
from daemon.settings.keys import SECTIONS, SETTINGS, Setting

HIDDEN = "(set, not shown)"


def describe(config: Config) -> str:
    """Valid TOML, with the origin of each value as a comment."""
    lines = [f"# {config.file or 'no configuration file: defaults and environment'}"]
    lines += [f"# warning: {warning}" for warning in (*config.warnings, *exposed(config))]
    lines.append(_modes())
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for setting in SETTINGS:
            if setting.section == section:
                name = setting.parameter.name
                value = _shown(setting, getattr(getattr(config, section), name))
                lines.append(_line(name, value, config.origins[setting.key]))
    lines += ["", "[defaults]"]
    for parameter in JOB_PARAMETERS:
        value = json.dumps(config.defaults.get(parameter.name, parameter.default), ensure_ascii=False)
        lines.append(_line(parameter.name, value, config.origins[f"defaults.{parameter.name}"]))
    for name, preset in config.presets.items():
        lines += ["", f"[presets.{json.dumps(name, ensure_ascii=False)}]"]
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in preset.items()]
    return "\n".join(lines)


def _line(name: str, value: str, origin: str) -> str:
    return f"{name} = {value}".ljust(56) + f"  # {origin}"


def _shown(setting: Setting, value: Any) -> str:
    if setting.secret and value:
        return json.dumps(HIDDEN)
    if setting.address and value:
        value = masked(value)
    if setting.is_path and not setting.is_list:
        value = "" if str(value) == "." else str(value)
    if setting.is_list:
        value = [str(each) for each in value]
    return json.dumps(value, ensure_ascii=False)


def masked(address: str) -> str:
    """An address without what may be a secret in it: user, password, path and query."""
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return HIDDEN
    if not host:
        return HIDDEN
    user = "***@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{user}{host}" + ("/***" if parts.path.strip("/") or parts.query or parts.fragment else "")


def exposed(config: Config) -> list[str]:
    """A warning if the file has a secret in it and everybody on this machine may read it."""
    if config.file is None or not _read_by_all(config):
        return []
    named = [setting.key for setting in SETTINGS if _holds_secret(config, setting)]
    if not named:
        return []
    return [f"{config.file} holds {', '.join(named)}, and everybody on this machine may read it: chmod o-r it."]


def _read_by_all(config: Config) -> bool:
    assert config.file is not None
    try:
        return bool(config.file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _holds_secret(config: Config, setting: Setting) -> bool:
    assert config.file is not None
    value = getattr(getattr(config, setting.section), setting.parameter.name)
    secret = setting.secret or (setting.address and masked(value) != value.rstrip("/"))
    return bool(value) and secret and config.origins[setting.key] == config.file.name


def _modes() -> str:
    # It can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return f"# umask {mask:04o}: results get mode {0o666 & ~mask:04o}, new folders {0o777 & ~mask:04o}"
