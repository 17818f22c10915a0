"""Reads the configuration: environment over file over default, validated, each value with its origin."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from daemon.errors import ConfigError
from daemon.jobs.parameters import check, check_together, suggest
from daemon.settings.hours import Hours
from daemon.settings.keys import (
    SECTIONS,
    ClusterSettings,
    InboxSettings,
    JobSettings,
    LoggingSettings,
    ModelSettings,
    NotifySettings,
    PathSettings,
    QueueSettings,
    ServerSettings,
    WebhookSettings,
)
from daemon.settings.sources import DEFAULT, DEFAULTS, KEYS, Environment, File, Folders, Source
from seedvr2.errors import OptionError
from seedvr2.standard_folders import CONFIG_NAME, default_folder, find_config

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
GPUS = re.compile(r"all|none|\d+( *, *\d+)*")
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
    cluster: ClusterSettings
    webhook: WebhookSettings
    notify: NotifySettings
    logging: LoggingSettings
    defaults: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    file: Path | None = None


class _Whole(BaseSettings):
    """All that the sources tell, validated. Its only argument is `sources`, the first of which wins."""

    defaults: dict[str, Any] = {}
    presets: dict[str, dict[str, Any]] = {}

    @classmethod
    def settings_customise_sources(  # type: ignore[override] # the others are passed too
        cls, _settings: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_others: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Those of this call, in place of the library's own."""
        assert isinstance(init_settings, InitSettingsSource)
        return tuple(init_settings.init_kwargs["sources"])


_SECTIONS: dict[str, Any] = {name: (declared, declared()) for name, declared in SECTIONS.items()}
_Settings = create_model("_Settings", __base__=_Whole, **_SECTIONS)


def load_config(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration from `file`; where None, from the one that `find_config` finds, if any.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is not one that it takes.
    """
    environment = os.environ if environment is None else environment
    file = find_config(environment) if file is None else file
    origins: dict[str, str] = {}
    sources: list[Source] = [
        Environment(_Settings, origins, environment),
        *([File(_Settings, origins, file)] if file else []),
        Folders(_Settings, origins, default_folder(file, environment)),
    ]
    try:
        settings = _Settings(sources=sources)  # type: ignore[call-arg] # no field
    except ValidationError as error:
        raise _refused(error, origins) from None
    where = file.name if file else CONFIG_NAME
    config = Config(
        **{section: getattr(settings, section) for section in SECTIONS},
        defaults=_defaults(settings.defaults, origins, where),
        presets={name: _checked(table, f"{where} [presets.{name}]") for name, table in settings.presets.items()},
        origins={str(key): origins.get(str(key), DEFAULT) for key in KEYS},
        warnings=_unknown_variables(environment),
        file=file.resolve() if file else None,
    )
    _check_whole(config)
    return config


def _refused(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    """The first thing that is wrong, in the words of its key."""
    fault = error.errors(include_url=False)[0]
    key = ".".join(map(str, fault["loc"][:2]))
    return ConfigError(f"{origins.get(key, key)}: {fault['ctx']['error']}")


def _defaults(given: Mapping[str, Any], origins: Mapping[str, str], where: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for name, value in given.items():
        origin = origins[f"{DEFAULTS}.{name}"]
        defaults |= _checked({name: value}, f"{where} [{DEFAULTS}]" if origin == where else origin)
    return _checked(defaults, f"{where} [{DEFAULTS}]")


def _checked(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    try:
        checked = check(values)
        check_together(checked)
        return checked
    except OptionError as error:
        raise ConfigError(f"{origin}: {error}") from error


def _unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    known = {key.variables[0]: None for key in KEYS}
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
    _check_cluster(config)
    server = config.server
    if not is_loopback(server.host) and not server.token and not server.allow_anonymous:
        raise ConfigError(
            f"server.host is {server.host!r}, which others can reach. Set server.token (SEEDVR2_SERVER_TOKEN), "
            "or server.allow_anonymous = true if everybody on that network may use it."
        )
    if config.webhook.url and not config.webhook.url.startswith(("http://", "https://")):
        raise ConfigError("webhook.url takes an address that starts with http:// or https://.")


def _check_cluster(config: Config) -> None:
    cluster = config.cluster
    if not GPUS.fullmatch(cluster.gpus):
        where = config.origins.get("cluster.gpus", "cluster.gpus")
        raise ConfigError(f"{where}: cluster.gpus takes all, none, or numbers such as 0,1, not {cluster.gpus!r:.80}.")
    if cluster.mode == "local" and cluster.gpus == "none":
        raise ConfigError('cluster.mode = "local" has the GPUs of this machine work, and cluster.gpus names none.')
    if cluster.mode not in ("head", "join"):
        return
    host, colon, port = cluster.address.rpartition(":")
    if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(
            f"cluster.mode = {cluster.mode!r} needs cluster.address, an address and a port such as 192.168.1.10:8210."
        )


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
