"""`check-config`: the effective settings, each with where it comes from."""

from __future__ import annotations

import json
from typing import Any

from daemon.jobs.parameters import JOB_PARAMETERS
from daemon.settings.config import Config
from daemon.settings.keys import SECTIONS, SETTINGS, Setting


def describe(config: Config) -> str:
    """Valid TOML, with the origin of each value as a comment."""
    lines = [f"# {config.file or 'no configuration file: defaults and environment'}"]
    lines += [f"# warning: {warning}" for warning in config.warnings]
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
        return '"(set, not shown)"'
    if setting.is_path:
        value = "" if str(value) == "." else str(value)
    return json.dumps(list(value) if setting.is_list else value, ensure_ascii=False)
