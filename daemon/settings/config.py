"""Reads the configuration: environment over file over default, validated, each value with its origin."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.errors import ConfigError
from daemon.jobs.parameters import JOB_PARAMETERS, check, check_together, suggest
from daemon.settings.hours import Hours
from daemon.settings.keys import (
    BY_KEY,
    SECTIONS,
    SETTINGS,
    InboxSettings,
    JobSettings,
    LoggingSettings,
    ModelSettings,
    NotifySettings,
    PathSettings,
    QueueSettings,
    ServerSettings,
    Setting,
    WebhookSettings,
)
from seedvr2.errors import OptionError
from seedvr2.standard_folders import default_folder, find_config

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
# Read by mcp_server.py, which is configured by the environment alone, such as the one of a container with both.
FOREIGN_VARIABLES = (
    *("SEEDVR2_API_URL", "SEEDVR2_API_TOKEN"),
    *("SEEDVR2_MCP_FOLDERS", "SEEDVR2_MCP_TIMEOUT", "SEEDVR2_MCP_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration. `origins` says for each `section.key` where its value comes from."""

    paths: PathSettings
    server: ServerSettings
    model: ModelSettings
    inbox: InboxSettings
    jobs: JobSettings
    queue: QueueSettings
    webhook: WebhookSettings
    notify: NotifySettings
    logging: LoggingSettings
    defaults: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    file: Path | None = None


def load_config(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration from `file`; where None, from the one that `find_config` finds, if any.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is not one that it takes.
    """
    environment = os.environ if environment is None else environment
    file = find_config(environment) if file is None else file
    document = _read(file) if file else {}
    base = file.resolve().parent if file else Path.cwd()
    unnamed = default_folder(file, environment)
    where = file.name if file else "config.toml"
    _refuse_unknown(document, where)

    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    origins: dict[str, str] = {}
    for item in SETTINGS:
        section, name = item.section, item.parameter.name
        raw, origin = _raw(item, document.get(section, {}), environment, where)
        # A path in the environment is what a shell would make of it; one in the file belongs to the file.
        folder = Path.cwd() if origin.startswith("environment") else unnamed if origin == "default" else base
        values[section][name] = _value(item, raw, origin, folder)
        origins[item.key] = origin
    defaults = _defaults(document.get("defaults", {}), environment, where, origins)
    presets = {
        name: _checked(table, f"{where} [presets.{name}]") for name, table in document.get("presets", {}).items()
    }
    config = Config(
        **{section: SECTIONS[section](**table) for section, table in values.items()},
        defaults=defaults,
        presets=presets,
        origins=origins,
        warnings=_unknown_variables(environment),
        file=file.resolve() if file else None,
    )
    _check_whole(config)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from error


def _refuse_unknown(document: Mapping[str, Any], where: str) -> None:
    known = {**SECTIONS, "defaults": None, "presets": None}
    for section, table in document.items():
        if section not in known:
            raise ConfigError(f"{where}: there is no section [{section}].{suggest(section, known)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: [{section}] is a section, not a value.")
        if section == "presets":
            for name, preset in table.items():
                if not isinstance(preset, dict):
                    raise ConfigError(f"{where}: [presets.{name}] is a section, not a value.")
            continue
        names = {item.name: None for item in JOB_PARAMETERS} if section == "defaults" else _names(section)
        for name in table:
            if name not in names:
                raise ConfigError(f"{where}: there is no key {name!r} in [{section}].{suggest(name, names)}")


def _names(section: str) -> dict[str, None]:
    return {item.parameter.name: None for item in SETTINGS if item.section == section}


def _raw(item: Setting, table: Mapping[str, Any], environment: Mapping[str, str], where: str) -> tuple[Any, str]:
    for variable in (item.variable, *item.aliases):
        if environment.get(variable, "").strip():
            return environment[variable], f"environment {variable}"
    if item.parameter.name in table:
        return table[item.parameter.name], where
    return None, "default"


def _value(item: Setting, raw: Any, origin: str, base: Path) -> Any:
    if item.is_list:
        # One path of a file may have a comma in its name; in the environment a comma is all that parts them.
        whole = isinstance(raw, str) and item.is_path and not origin.startswith("environment")
        texts = _list(item, [raw] if whole else raw, origin)
        return tuple(_path(item, text, origin, base) for text in texts) if item.is_path else texts
    try:
        value = item.parameter.parse(raw)
    except OptionError as error:
        # A secret is not shown, not even one that is written wrongly.
        given = "" if item.secret or item.address else f", not {str(raw)[:80]!r}"
        raise ConfigError(f"{origin}: {item.key} takes {item.parameter.takes()}{given}.") from error
    if not item.is_path:
        return value
    return _path(item, value, origin, base)


def _path(item: Setting, value: Any, origin: str, base: Path) -> Path:
    # An empty path stays empty: it means that the service chooses.
    if value in ("", "."):
        return Path()
    try:
        return (base / Path(value).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # A user that does not exist, links in a circle, a character that no path has.
        raise ConfigError(f"{origin}: {item.key} ({value!r:.80}) is no path that can be used: {error}.") from error


def _list(item: Setting, raw: Any, origin: str) -> tuple[str, ...]:
    if isinstance(raw, str):
        raw = raw.split(",")
    if raw is not None and not (isinstance(raw, list) and all(isinstance(text, str) for text in raw)):
        raise ConfigError(f"{origin}: {item.key} takes a list of texts.")
    texts = tuple(text.strip() for text in raw or () if text.strip())
    return texts or tuple(filter(None, str(item.parameter.default).split(",")))


def _defaults(
    table: Mapping[str, Any], environment: Mapping[str, str], where: str, origins: dict[str, str]
) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for parameter in JOB_PARAMETERS:
        variable = f"SEEDVR2_DEFAULTS_{parameter.name}".upper()
        key = f"defaults.{parameter.name}"
        origins[key] = "default"
        if environment.get(variable, "").strip():
            defaults |= _checked({parameter.name: environment[variable]}, f"environment {variable}")
            origins[key] = f"environment {variable}"
        elif parameter.name in table:
            defaults |= _checked({parameter.name: table[parameter.name]}, f"{where} [defaults]")
            origins[key] = where
    return _checked(defaults, f"{where} [defaults]")


def _checked(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    try:
        checked = check(values)
        check_together(checked)
        return checked
    except OptionError as error:
        raise ConfigError(f"{origin}: {error}") from error


def _unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    known = {item.variable: None for item in BY_KEY.values()}
    known |= {f"SEEDVR2_DEFAULTS_{parameter.name}".upper(): None for parameter in JOB_PARAMETERS}
    known |= dict.fromkeys((*FOREIGN_VARIABLES, "SEEDVR2_CONFIG"))
    return tuple(
        f"The environment variable {name} means nothing here.{suggest(name, known)}"
        for name in sorted(environment)
        if name.startswith("SEEDVR2_") and name not in known
    )


def _check_whole(config: Config) -> None:
    """What no key can check alone."""
    _check_paths(config.paths)
    if not _DEVICE.fullmatch(config.model.device):
        where = config.origins.get("model.device", "model.device")
        raise ConfigError(f"{where}: model.device takes auto, cpu, cuda or cuda:N, not {config.model.device!r:.80}.")
    Hours.parse(config.queue.hours)
    server = config.server
    if not is_loopback(server.host) and not server.token and not server.allow_anonymous:
        raise ConfigError(
            f"server.host is {server.host!r}, which others can reach. Set server.token (SEEDVR2_SERVER_TOKEN), "
            "or server.allow_anonymous = true if everybody on that network may use it."
        )
    if config.webhook.url and not config.webhook.url.startswith(("http://", "https://")):
        raise ConfigError("webhook.url takes an address that starts with http:// or https://.")


def _check_paths(paths: PathSettings) -> None:
    """No folder may lie where its files would be taken, listed or cleared as those of another."""
    folders = {"inbox": paths.inbox, "outputs": paths.outputs, "state": paths.state, "models": paths.models[0]}
    folders |= {f"models[{index}]": folder for index, folder in enumerate(paths.models[1:], 2)}
    if paths.uploads != Path():
        folders["uploads"] = paths.uploads
    for name, folder in folders.items():
        for other, holder in folders.items():
            if name == other:
                continue
            if folder == holder:
                raise ConfigError(f"paths.{name} and paths.{other} are the same folder ({folder}). Give each its own.")
            if not folder.is_relative_to(holder):
                continue
            if other == "inbox":
                raise ConfigError(
                    f"paths.{name} ({folder}) must not lie in paths.inbox: its files would be taken as new ones."
                )
            if other == "uploads" or name == "inbox" or (name == "uploads" and other != "state"):
                raise ConfigError(f"paths.{name} ({folder}) must not lie in paths.{other}. Give each its own folder.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
