"""The models folder: which models are in it, catalogue files and the user's own alike.

A user's own file is recognised by its tensors, whatever its name, and is only ever read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

from seedvr2.catalogue.hashes import known_sha256
from seedvr2.catalogue.registry import BY_NAME, CATALOGUE, DEFAULT_MODEL, TEXT, VAE, PublishedFile
from seedvr2.errors import CheckpointError, ModelNotInstalledError, SeedVR2Error
from seedvr2.standard_folders import default_folder, find_config
from seedvr2.trouble import refusal

SUFFIXES = (".safetensors", ".gguf", ".pth", ".pt")
TEXT_FILES = ("pos_emb.safetensors", TEXT)
_LABELS = {"float32": "FP32", "float16": "FP16", "bfloat16": "BF16", "float8_e4m3fn": "FP8", "float8_e5m2": "FP8"}


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A transformer in the models folder.

    Attributes:
        entry: its entry of the catalogue; None for a user's own file.
        sha256_ok: whether its hash is the published one; None where it was not computed yet or none is published.
    """

    name: str
    path: Path
    bytes: int
    params: str
    precision: str
    entry: PublishedFile | None
    sha256_ok: bool | None


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file of the models folder that cannot be opened, its size where it has one, and a sentence that says why."""

    name: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the tensors of a file make: `"dit"`, `"vae"` or `""`; its parameters; its main precision; what is wrong."""

    kind: str = ""
    params: str = ""
    precision: str = ""
    why: str = ""


def default_models_dir() -> Path:
    """`SEEDVR2_PATHS_MODELS`, or `models` where the daemon has it when it is not configured."""
    stated = os.environ.get("SEEDVR2_PATHS_MODELS")
    return Path(stated) if stated else default_folder(find_config(os.environ), os.environ) / "models"


def installed_models(models_dir: Path) -> list[InstalledModel]:
    """The transformers in the folder: catalogue models in its order, then the user's own by name."""
    found = [model for path in _weight_files(models_dir) if (model := _identify(path))]
    order = {entry.name: index for index, entry in enumerate(CATALOGUE)}
    return sorted(found, key=lambda model: (order.get(model.name, len(order)), model.name))


def unreadable_files(models_dir: Path) -> list[UnreadableFile]:
    """The weight files in the folder that cannot be opened, by name: damaged, links to nowhere, not permitted."""
    found = []
    for path in _weight_files(models_dir):
        why = _facts(path).why
        if why:
            found.append(UnreadableFile(path.name, _size(path), why))
    return found


def find_installed(models_dir: Path, name: str) -> InstalledModel:
    """The model called `name` in the folder.

    Raises:
        ModelNotInstalledError: it is not there; the message says how to get it.
        CheckpointError: there is such a file, but it is no transformer.
    """
    path = models_dir / Path(name).name
    if not path.is_file():
        raise ModelNotInstalledError(how_to_get(name, models_dir))
    model = _identify(path)
    if model is None:
        raise CheckpointError(_facts(path).why or f"{path} is not a SeedVR2 transformer; choose another model.")
    return model


def find_vae(models_dir: Path) -> Path:
    """The VAE: the catalogue's, else another of this family that the folder has.

    Raises:
        ModelNotInstalledError: there is none; the message says how to get it.
    """
    preferred = models_dir / VAE
    if preferred.is_file():
        return preferred
    own = [path for path in _weight_files(models_dir) if _facts(path).kind == "vae"]
    if not own:
        raise ModelNotInstalledError(how_to_get(VAE, models_dir))
    return own[0]


def find_text_embedding(models_dir: Path) -> Path | None:
    """The file of the text embedding, if the folder has it."""
    return next((models_dir / name for name in TEXT_FILES if (models_dir / name).is_file()), None)


def how_to_get(name: str, models_dir: Path) -> str:
    """A sentence for someone who lacks the file `name`."""
    entry = BY_NAME.get(name)
    if entry is None:
        return (
            f"{models_dir} has no model {name!r}; see `python -m seedvr2 models list`, "
            f"for example `python -m seedvr2 models pull {DEFAULT_MODEL}`."
        )
    return (
        f"{name} is not in {models_dir.absolute()}. Fetch it with `python -m seedvr2 models pull {name}`, "
        f"or download {entry.url()} and put it there."
    )


def _weight_files(models_dir: Path) -> list[Path]:
    """Whatever is called like a weight file, but for folders.

    Raises:
        MachineError: the folder may not be read, or its disk is gone.
    """
    try:
        with os.scandir(models_dir) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if Path(entry.name).suffix.lower() in SUFFIXES and not entry.name.startswith(".") and not _is_dir(entry)
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refusal(models_dir, error) from error


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle, or where nobody may go
        return False


def _identify(path: Path) -> InstalledModel | None:
    facts = _facts(path)
    if facts.kind != "dit":
        return None
    entry = BY_NAME.get(path.name)
    known = known_sha256(path)
    return InstalledModel(
        name=path.name,
        path=path,
        bytes=_size(path),
        params=entry.params if entry else facts.params,
        precision=entry.precision if entry else facts.precision,
        entry=entry,
        sha256_ok=None if entry is None or entry.sha256 is None or known is None else known == entry.sha256,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _facts(path: Path) -> _Facts:
    try:
        status = path.stat()
        return _read_facts(path, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        # Gone while we looked, or a link to nowhere.
        return _Facts(why=f"{path.name} is a link to a file that is not there.") if path.is_symlink() else _Facts()
    except OSError as error:
        return _Facts(why=str(refusal(path, error)))
    except SeedVR2Error as error:
        # Not remembered: it may have passed when somebody looks again.
        return _Facts(why=str(error))


@lru_cache(maxsize=256)
def _read_facts(path: Path, _size: int, _time: int) -> _Facts:
    """Raises MachineError or OutOfMemoryError; a damaged file is told as one."""
    from seedvr2.checkpoint import open_checkpoint
    from seedvr2.network.config import is_dit, is_vae, read_dit_config

    try:
        checkpoint = open_checkpoint(path)
        if is_dit(checkpoint.shapes):
            config = read_dit_config(checkpoint.shapes, checkpoint.metadata)
            return _Facts("dit", config.params, _main_precision(checkpoint.shapes, checkpoint.precisions))
    except CheckpointError as error:
        return _Facts(why=str(error))
    return _Facts("vae" if is_vae(checkpoint.shapes) else "")


def _main_precision(shapes: Mapping[str, tuple[int, ...]], precisions: Mapping[str, str]) -> str:
    elements: Counter[str] = Counter()
    for name, shape in shapes.items():
        elements[precisions[name]] += prod(shape)
    main = elements.most_common(1)[0][0]
    return _LABELS.get(main, main.split("_")[0])
