"""Where weight files lie: one folder or several, and below each what other programs have there, read in place.

Reading goes through all, in their order; of two files of one name the first counts. Writing goes to `home` alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from seedvr2.catalogue import comfyui
from seedvr2.catalogue.asking import is_file, is_folder
from seedvr2.catalogue.hub_cache import snapshots_in
from seedvr2.errors import CheckpointError, MachineError
from seedvr2.trouble import refusal

# One folder, or several. A file among them is an `extra_model_paths.yaml` of ComfyUI.
ModelsDir: TypeAlias = Path | Sequence[Path]

SUFFIXES = (".safetensors", ".gguf", ".pth", ".pt")
_YAML = (".yaml", ".yml")
# ComfyUI looks into folders within its folders; links in circles end here.
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is looked into.

    Attributes:
        own: it was named itself; what is in it is meant for this program.
        deep: also what lies in folders within it.
    """

    path: Path
    own: bool
    deep: bool = False


@dataclass(slots=True)
class Stock:
    """What `look` found.

    Attributes:
        files: every weight file, with whether it lies in a folder that was named itself.
        refused: folders that would not be read. problems: a sentence each for what is named and cannot be used.
    """

    files: list[tuple[Path, bool]] = field(default_factory=list)
    refused: list[MachineError] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def folders_of(models_dir: ModelsDir) -> tuple[Path, ...]:
    """The folders as a list; each once."""
    return (models_dir,) if isinstance(models_dir, Path) else tuple(dict.fromkeys(models_dir))


def home(models_dir: ModelsDir) -> Path:
    """The folder that new files go to: the first that can be written to, else the first."""
    folders = [folder for folder in folders_of(models_dir) if folder.suffix.lower() not in _YAML] or [Path("models")]
    return next((folder for folder in folders if _can_write(folder)), folders[0])


def look(models_dir: ModelsDir) -> Stock:
    """All weight files of all folders; what cannot be read is left out and told."""
    stock, known = Stock(), set[Path]()
    folders = folders_of(models_dir)
    for index, folder in enumerate(folders):
        # The first one is made when something is fetched.
        if index and not _exists(folder):
            stock.problems.append(f"The models folder {folder} is not there; its models cannot be used.")
        for place in _places(folder, stock):
            # By what the disk says: a link and what it leads to are one folder.
            real = Path(os.path.realpath(place.path))
            if real not in known:
                known.add(real)
                _look_into(place, stock)
    stock.problems += [str(error) for error in stock.refused]
    return stock


def _places(folder: Path, stock: Stock) -> Iterator[Place]:
    if folder.suffix.lower() in _YAML and is_file(folder):
        yield from _extra(folder, stock)
        return
    yield Place(folder, own=True)
    models = folder / "models" if comfyui.is_installation(folder) else folder
    for below in comfyui.folders_in(models):
        yield Place(below, own=False, deep=True)
    if models.name == "models" or models != folder:
        yield from _extra(models.parent / comfyui.EXTRA_PATHS, stock)
        # The SeedVR2 nodes bring the text embedding along with their code.
        for embedding in sorted(models.parent.glob("custom_nodes/*/pos_emb.pt")):
            yield Place(embedding.parent, own=False)
    for snapshot in snapshots_in(folder):
        yield Place(snapshot, own=False, deep=True)


def _extra(file: Path, stock: Stock) -> Iterator[Place]:
    if not is_file(file):
        return
    try:
        folders = comfyui.extra_folders(file)
    except CheckpointError as error:
        stock.problems.append(str(error))
        return
    for folder in folders:
        yield Place(folder, own=False, deep=True)


def _look_into(place: Place, stock: Stock, depth: int = 0) -> None:
    try:
        with os.scandir(place.path) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda each: each.name)
            folders = [entry.path for entry in found if place.deep and depth < _DEPTH and _is_dir(entry)]
            files = [Path(entry.path) for entry in found if _is_weight_file(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        stock.refused.append(refusal(place.path, error))
        return
    stock.files += [(file, place.own) for file in files]
    for folder in folders:
        _look_into(Place(Path(folder), place.own, deep=True), stock, depth=depth + 1)


def _is_weight_file(entry: os.DirEntry[str]) -> bool:
    return Path(entry.name).suffix.lower() in SUFFIXES and not _is_dir(entry)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle, or where nobody may go
        return False


def _exists(path: Path) -> bool:
    # Whether it can be read is found out by reading it.
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _can_write(folder: Path) -> bool:
    """Whether a file can be made there, or the folder itself where it is missing."""
    while not _exists(folder) and folder != folder.parent:
        folder = folder.parent
    effective = os.access in os.supports_effective_ids
    return is_folder(folder) and os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)
