"""ComfyUI's folders of models, where it keeps them and where its `extra_model_paths.yaml` says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from seedvr2.catalogue.asking import is_file, is_folder
from seedvr2.errors import CheckpointError

EXTRA_PATHS = "extra_model_paths.yaml"
# By ComfyUI's own names of its folders; `seedvr2` is the one that the SeedVR2 nodes register, on disk `SEEDVR2`.
KINDS = ("seedvr2", "diffusion_models", "unet", "vae")


def folders_in(models: Path) -> Iterator[Path]:
    """The folders of a `models` folder that may hold files for SeedVR2, in the order of `KINDS`."""
    try:
        with os.scandir(models) as entries:
            present = {entry.name: Path(entry.path) for entry in entries if entry.name.lower() in KINDS}
    except OSError:
        return
    for name in sorted(present, key=lambda name: (KINDS.index(name.lower()), name)):
        if is_folder(present[name]):
            yield present[name]


def is_installation(folder: Path) -> bool:
    """Whether this is ComfyUI's own folder, with `models` in it."""
    return is_folder(folder / "models") and (is_folder(folder / "comfy") or is_file(folder / EXTRA_PATHS))


def extra_folders(file: Path) -> list[Path]:
    """The folders that an `extra_model_paths.yaml` names for SeedVR2; those of groups with `is_default` come first.

    As ComfyUI reads it: a group has a `base_path` (variables and `~` are expanded; relative to the file) and one or
    several lines of folders for each kind, relative to that.

    Raises:
        CheckpointError: the file cannot be read as such a one.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        first = str(error).partition("\n")[0]
        raise CheckpointError(f"{file} is not valid YAML ({first}); correct it or take it off the list.") from error
    groups = [group for group in document.values() if isinstance(group, dict)] if isinstance(document, dict) else []
    groups.sort(key=lambda group: not group.get("is_default"))
    found = [folder for group in groups for folder in _folders_of(group, file.parent)]
    return list(dict.fromkeys(found))


def _folders_of(group: dict[Any, Any], base: Path) -> Iterator[Path]:
    stated = group.get("base_path")
    if isinstance(stated, str) and stated.strip():
        base = base / _expanded(stated)
    lines = {str(key).lower(): value for key, value in group.items()}
    for kind in KINDS:
        value = lines.get(kind)
        paths = value.splitlines() if isinstance(value, str) else value if isinstance(value, list) else ()
        for path in paths:
            if isinstance(path, str) and path.strip():
                yield Path(os.path.normpath(base / _expanded(path)))


def _expanded(path: str) -> str:
    return os.path.expanduser(os.path.expandvars(path.strip()))  # noqa: PTH111 - a user that is unknown stays as it is
