"""`config.toml`, as far as the engine's command line needs it: its folders of models, and where the daemon is.

The service reads the same file, by the same rules, for everything else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from seedvr2.catalogue.asking import is_folder
from seedvr2.catalogue.hub_cache import default_cache
from seedvr2.errors import OptionError
from seedvr2.standard_folders import default_folder, find_config


def models_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of the models: `SEEDVR2_PATHS_MODELS` (a list with commas), else as configured, else `models`
    where the service has it when it is not configured.

    After them the cache of the Hugging Face hub, unless `model.hub_cache` is off.

    Raises:
        OptionError: the configuration file cannot be read.
    """
    file = find_config(environment)
    document = _read(file) if file else {}
    stated = _section(document, "paths").get("models")
    unnamed = default_folder(file, environment)
    base = file.resolve().parent if file else Path.cwd()
    variable = environment.get("SEEDVR2_PATHS_MODELS", "").strip()
    if variable:
        stated, base = [part.strip() for part in variable.split(",") if part.strip()], Path.cwd()
    names = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    folders = [(base / Path(name).expanduser()).resolve() for name in names if isinstance(name, str) and name]
    return with_hub_cache(folders or [unnamed / "models"], environment, enabled=_hub_cache(document, environment))


def server_settings(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """The host, the port and the token of the daemon as configured in the file; empty where they are not.

    Raises:
        OptionError: the configuration file cannot be read.
    """
    file = find_config(environment)
    server = _section(_read(file), "server") if file else {}
    return str(server.get("host") or "").strip(), str(server.get("port") or ""), str(server.get("token") or "").strip()


def with_hub_cache(folders: list[Path], environment: Mapping[str, str], *, enabled: bool) -> tuple[Path, ...]:
    """The folders, and the hub's cache where it is to be read and exists."""
    cache = default_cache(environment)
    return (*folders, *([cache] if enabled and is_folder(cache) else []))


def _hub_cache(document: dict[str, object], environment: Mapping[str, str]) -> bool:
    variable = environment.get("SEEDVR2_MODEL_HUB_CACHE", "").strip().lower()
    if variable:
        return variable in ("1", "true", "yes", "on")
    return _section(document, "model").get("hub_cache", True) is True


def _section(document: dict[str, object], name: str) -> dict[str, object]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError("config", f"The configuration file {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError("config", f"{file} is not valid TOML: {error}.") from error
