"""`config.toml`, as far as the engine's command line needs it: where it is, and which folders of models it names.

The service reads the same file, by the same rules, for everything else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from seedvr2.catalogue.asking import is_file, is_folder
from seedvr2.catalogue.hub_cache import default_cache
from seedvr2.errors import OptionError

NAME = "config.toml"
_FOLDER = "seedvr2d"
_SYSTEM = Path("/etc")


def find_config(environment: Mapping[str, str]) -> Path | None:
    """The configuration file: `SEEDVR2_CONFIG`, else of the current folder, of this user, or of this machine."""
    named = environment.get("SEEDVR2_CONFIG")
    if named:
        return Path(named)
    user = Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    for folder in (Path(), user / _FOLDER, _SYSTEM / _FOLDER):
        if is_file(folder / NAME):
            return folder / NAME
    return None


def models_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of the models: `SEEDVR2_PATHS_MODELS` (a list with commas), else as configured, else `models`.

    After them the cache of the Hugging Face hub, unless `model.hub_cache` is off.

    Raises:
        OptionError: the configuration file cannot be read.
    """
    file = find_config(environment)
    document = _read(file) if file else {}
    stated = _section(document, "paths").get("models", "models")
    base = file.resolve().parent if file else Path.cwd()
    variable = environment.get("SEEDVR2_PATHS_MODELS", "").strip()
    if variable:
        stated, base = [part.strip() for part in variable.split(",") if part.strip()], Path.cwd()
    names = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    folders = [(base / Path(name).expanduser()).resolve() for name in names if isinstance(name, str) and name]
    return with_hub_cache(folders or [base / "models"], environment, enabled=_hub_cache(document, environment))


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
