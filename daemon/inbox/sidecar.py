"""What a file in the inbox is asked for: `clip.mp4.toml` (or `.json`) beside it, presets of the folders above it."""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from daemon.errors import SidecarError
from daemon.jobs.parameters import JobRequest, check, suggest
from daemon.store.safe_open import LinkError, open_file
from seedvr2.errors import OptionError
from seedvr2.trouble import is_machine_trouble

PRESET_FILE = "preset.toml"
SIDECARS = (".toml", ".json")
# Nobody's parameters are longer; a huge file must not be read into memory.
MAX_BYTES = 64 * 1024

Presets = Mapping[str, Mapping[str, Any]]


def sidecars_of(path: Path) -> list[Path]:
    """The sidecars that exist beside `path`."""
    return [beside for suffix in SIDECARS if os.path.lexists(beside := path.with_name(path.name + suffix))]


def companions(root: Path, path: Path, folder: str) -> list[Path]:
    """Every file whose change changes what `path` is asked for."""
    return [*sidecars_of(path), *(file for file in _preset_files(root, folder) if os.path.lexists(file))]


def request_for(root: Path, path: Path, folder: str, presets: Presets, defaults: Mapping[str, Any]) -> JobRequest:
    """The parameters of a file: defaults, then the presets of its folders from the top down, then its sidecar.

    Raises:
        SidecarError: one of them is not valid; the message names the file and what is wrong.
        OSError: the machine refuses to read one of them.
    """
    layers: list[Mapping[str, Any]] = [defaults]
    for part, file in zip(PurePosixPath(folder).parts, _preset_files(root, folder)[1:], strict=True):
        if part in presets:
            layers.append(presets[part])
        layers += _layers(root, file, presets)
    top = _preset_files(root, folder)[0]
    layers[1:1] = _layers(root, top, presets)
    beside = sidecars_of(path)
    if len(beside) > 1:
        raise SidecarError(f"{path.name} has two sidecars, {beside[0].name} and {beside[1].name}. Keep one of them.")
    for file in beside:
        layers += _layers(root, file, presets)
    try:
        return JobRequest.parse(*layers)
    except OptionError as error:
        raise SidecarError(str(error)) from error


def _preset_files(root: Path, folder: str) -> list[Path]:
    folders = [root]
    for part in PurePosixPath(folder).parts:
        folders.append(folders[-1] / part)
    return [each / PRESET_FILE for each in folders]


def _layers(root: Path, file: Path, presets: Presets) -> list[Mapping[str, Any]]:
    values = _read(root, file)
    if values is None:
        return []
    named = values.pop("preset", None)
    layers: list[Mapping[str, Any]] = []
    if named is not None:
        if not isinstance(named, str) or named not in presets:
            raise SidecarError(f"{file.name}: there is no preset {str(named)[:80]!r}.{suggest(str(named), presets)}")
        layers.append(presets[named])
    try:
        layers.append(check(values))
    except OptionError as error:
        raise SidecarError(f"{file.name}: {error}") from error
    return layers


def _read(root: Path, file: Path) -> dict[str, Any] | None:
    raw = _content(root, file)
    if raw is None:
        return None
    if len(raw) > MAX_BYTES:
        raise SidecarError(f"{file.name} is longer than {MAX_BYTES} bytes; that is no sidecar.")
    try:
        text = raw.decode("utf-8-sig")
        values = tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if file.suffix.lower() == ".toml" else "JSON"
        raise SidecarError(f"{file.name} is not valid {kind}: {error}.") from error
    if not isinstance(values, dict):
        raise SidecarError(f"{file.name} must hold names and values.")
    return values


def _content(root: Path, file: Path) -> bytes | None:
    """The beginning of a file; None if there is none."""
    try:
        # A link, in its place or on its way, could bring the contents of any file into an error message.
        with os.fdopen(open_file(root, file), "rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except LinkError as error:
        raise SidecarError(f"{file.name} cannot be read: links are not followed. Put the file itself there.") from error
    except OSError as error:
        # The name of the clip leaves no room for a suffix, so there cannot be such a file.
        if error.errno == errno.ENAMETOOLONG:
            return None
        if is_machine_trouble(error):
            raise
        raise SidecarError(f"{file.name} cannot be read: {error.strerror}.") from error
