"""Where settings come from, for pydantic-settings: the environment, the file, and the folders that nobody names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from daemon.errors import ConfigError
from daemon.jobs.parameters import JOB_PARAMETERS, suggest
from daemon.settings.keys import SECTIONS, SETTINGS, Setting
from seedvr2.errors import OptionError

DEFAULTS, PRESETS = "defaults", "presets"
ENVIRONMENT, DEFAULT = "environment", "default"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file, with the variables that stand for it; `setting` is None for a default of tasks."""

    section: str
    name: str
    variables: tuple[str, ...]
    setting: Setting | None = None

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"


KEYS: tuple[Key, ...] = (
    *(Key(each.section, each.parameter.name, (each.variable, *each.aliases), each) for each in SETTINGS),
    *(Key(DEFAULTS, row.name, (f"SEEDVR2_{DEFAULTS}_{row.name}".upper(),)) for row in JOB_PARAMETERS),
)


class Source(PydanticBaseSettingsSource):
    """One source: it notes in `origins` what it tells, and leaves out what a former one has told.

    Args:
        folder: what its paths are relative to.
    """

    def __init__(self, settings: type[BaseSettings], origins: dict[str, str], folder: Path) -> None:
        super().__init__(settings)
        self._origins = origins
        self._folder = folder

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not by field: `__call__` tells all at once."""
        raise NotImplementedError

    def find(self, key: Key) -> tuple[Any, str] | None:
        """The raw value of a key and where it is from, if this source has it."""
        raise NotImplementedError

    def __call__(self) -> dict[str, dict[str, Any]]:
        """The values by section and name. Raises ConfigError: there can be no such path."""
        values: dict[str, dict[str, Any]] = {}
        for key in KEYS:
            found = None if str(key) in self._origins else self.find(key)
            if found is not None:
                value, self._origins[str(key)] = found
                if key.setting and key.setting.is_path:
                    value = _based(key.setting, value, found[1], self._folder)
                values.setdefault(key.section, {})[key.name] = value
        return values


class Environment(Source):
    """The variables of the keys, and their aliases. An empty one counts as not there."""

    def __init__(self, settings: type[BaseSettings], origins: dict[str, str], environment: Mapping[str, str]) -> None:
        # A path is what a shell would make of it.
        super().__init__(settings, origins, Path.cwd())
        self._environment = environment

    def find(self, key: Key) -> tuple[Any, str] | None:
        for variable in key.variables:
            if self._environment.get(variable, "").strip():
                return self._environment[variable], f"{ENVIRONMENT} {variable}"
        return None


class File(Source):
    """`config.toml`. Paths in it are relative to its folder.

    Raises:
        ConfigError: it cannot be read, is no TOML, or has a section or a key that there is not.
    """

    def __init__(self, settings: type[BaseSettings], origins: dict[str, str], file: Path) -> None:
        super().__init__(settings, origins, file.resolve().parent)
        self._name = file.name
        try:
            # Not by the library's own source, to which a file that is not there, or is a pipe, is an empty one.
            self._document = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"The configuration file {file} cannot be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not valid TOML: {error}.") from error
        _refuse_unknown(self._document, file.name)

    def find(self, key: Key) -> tuple[Any, str] | None:
        table = self._document.get(key.section, {})
        return (table[key.name], self._name) if key.name in table else None

    def __call__(self) -> dict[str, dict[str, Any]]:
        return {**super().__call__(), PRESETS: self._document.get(PRESETS, {})}


class Folders(Source):
    """The folders of those paths that nobody names. All else that nobody names has its default in its model."""

    def find(self, key: Key) -> tuple[Any, str] | None:
        return (key.setting.parameter.default, DEFAULT) if key.setting and key.setting.is_path else None


def _based(item: Setting, value: Any, origin: str, folder: Path) -> Any:
    # One path of a file may have a comma in its name; in the environment a comma is all that parts them.
    whole = item.is_list and isinstance(value, str) and not origin.startswith(ENVIRONMENT)
    try:
        parsed = item.parse([value] if whole else value)
    except OptionError:
        # Refused where all values are.
        return value
    return (
        [_whole(item, each, origin, folder) for each in parsed]
        if item.is_list
        else _whole(item, parsed, origin, folder)
    )


def _whole(item: Setting, path: Path, origin: str, folder: Path) -> Path:
    # An empty path stays empty: it means that the service chooses.
    if path == Path():
        return path
    try:
        return (folder / path.expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # A user that does not exist, links in a circle, a character that no path has.
        raise ConfigError(f"{origin}: {item.key} ({str(path)!r:.80}) is no path that can be used: {error}.") from error


def _refuse_unknown(document: Mapping[str, Any], where: str) -> None:
    known = {**SECTIONS, DEFAULTS: None, PRESETS: None}
    for section, table in document.items():
        if section not in known:
            raise ConfigError(f"{where}: there is no section [{section}].{suggest(section, known)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: [{section}] is a section, not a value.")
        if section == PRESETS:
            for name, preset in table.items():
                if not isinstance(preset, dict):
                    raise ConfigError(f"{where}: [presets.{name}] is a section, not a value.")
            continue
        names = {item.name: None for item in JOB_PARAMETERS} if section == DEFAULTS else SECTIONS[section].model_fields
        for name in table:
            if name not in names:
                raise ConfigError(f"{where}: there is no key {name!r} in [{section}].{suggest(name, names)}")
