"""What a file in the inbox is asked for: `clip.mp4.toml` (or `.json`) beside it, presets of the folders above it.

Cameras, downloaders and this service itself put files of the same names beside pictures: what holds no parameters is
none of ours, and travels along.
"""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from daemon.errors import SidecarError
from daemon.inbox.names import PRESET_FILE, SIDECARS
from daemon.jobs.parameters import BY_NAME, JobRequest, check, suggest
from daemon.store.safe_open import LinkError, open_file
from seedvr2.errors import OptionError
from seedvr2.trouble import is_machine_trouble

# Nobody's parameters are longer; a huge file must not be read into memory.
MAX_BYTES = 64 * 1024
# How a layer names a preset of the configuration.
_PRESET = "preset"
# How near a name must be to that of a parameter to be one with a slip.
_NEAR = 0.8


class _TooLongError(SidecarError):
    """No parameters are as long as this file."""


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
    beside = [file for file in sidecars_of(path) if not _is_foreign(root, file)]
    if len(beside) > 1:
        raise SidecarError(f"{path.name} has two sidecars, {beside[0].name} and {beside[1].name}. Keep one of them.")
    for file in beside:
        layers += _layers(root, file, presets)
    try:
        return JobRequest.parse(*layers)
    except OptionError as error:
        raise SidecarError(str(error)) from error


def is_sidecar(root: Path, file: Path, source: str) -> bool:
    """Whether `file` holds parameters for the file called `source` beside it, even if it has mistakes."""
    if file.name not in [source + suffix for suffix in SIDECARS]:
        return False
    try:
        return not _is_foreign(root, file)
    except OSError:
        return False


def _is_foreign(root: Path, file: Path) -> bool:
    """Whether it holds other things than parameters. A slip in a name does not make it foreign."""
    try:
        values = _read(root, file)
    except _TooLongError:
        return file.suffix.lower() == ".json"
    except SidecarError:
        return False
    if not isinstance(values, dict):
        return values is not None
    meant = sum(1 for name in values if get_close_matches(name, [*BY_NAME, _PRESET], n=1, cutoff=_NEAR))
    # One name in common is chance among many others.
    return len(values) - meant > meant


def _preset_files(root: Path, folder: str) -> list[Path]:
    folders = [root]
    for part in PurePosixPath(folder).parts:
        folders.append(folders[-1] / part)
    return [each / PRESET_FILE for each in folders]


def _layers(root: Path, file: Path, presets: Presets) -> list[Mapping[str, Any]]:
    values = _read(root, file)
    if values is None:
        return []
    if not isinstance(values, dict):
        raise SidecarError(f"{file.name} must hold names and values.")
    named = values.pop(_PRESET, None)
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


def _read(root: Path, file: Path) -> Any:
    """What is in a file; None if there is none."""
    raw = _content(root, file)
    if raw is None:
        return None
    if len(raw) > MAX_BYTES:
        raise _TooLongError(f"{file.name} is longer than {MAX_BYTES} bytes; that is no sidecar.")
    try:
        text = raw.decode("utf-8-sig")
        return tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if file.suffix.lower() == ".toml" else "JSON"
        raise SidecarError(f"{file.name} is not valid {kind}: {error}.") from error


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
