"""The models folders: which models are in them, catalogue files and the user's own alike.

A user's own file is recognised by its tensors, whatever its name, and is only ever read. Where there are several
folders, `places.py` says what belongs to them; the first file of a name counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

from seedvr2.catalogue.asking import is_file
from seedvr2.catalogue.hashes import known_sha256
from seedvr2.catalogue.places import ModelsDir, Stock, folders_of, home, look
from seedvr2.catalogue.registry import BY_NAME, CATALOGUE, DEFAULT_MODEL, TEXT, VAE, PublishedFile
from seedvr2.commands import command
from seedvr2.errors import CheckpointError, ModelNotInstalledError, SeedVR2Error
from seedvr2.trouble import refusal

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

    @property
    def size(self) -> str:
        """For people."""
        return size_of(self.bytes)


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


def size_of(count: int) -> str:
    """Bytes as the catalogue writes them, in the unit that fits: `3.2GB`, `5.1MB`, `12KB`."""
    for unit, name in ((2**30, "GB"), (2**20, "MB")):
        if count >= unit:
            return f"{count / unit:.1f}{name}"
    return f"{max(count // 1024, 1)}KB"


def installed_models(models_dir: ModelsDir) -> list[InstalledModel]:
    """The transformers in the folders: catalogue models in its order, then the user's own by name.

    Raises:
        MachineError: nothing is found, and a folder may not be read, or its disk is gone.
    """
    stock = look(models_dir)
    found: dict[str, InstalledModel] = {}
    for path, _own in stock.files:
        if path.name not in found and (model := _identify(path)):
            found[path.name] = model
    if not found:
        _raise_refusal(stock)
    order = {entry.name: index for index, entry in enumerate(CATALOGUE)}
    return sorted(found.values(), key=lambda model: (order.get(model.name, len(order)), model.name))


def unreadable_files(models_dir: ModelsDir) -> list[UnreadableFile]:
    """The weight files in the folders that cannot be opened, by name: damaged, links to nowhere, not permitted.

    In a folder of another program only those are told that are called as if they were for this one.
    """
    found: dict[str, UnreadableFile] = {}
    readable = set()
    for path, own in look(models_dir).files:
        why = _facts(path).why
        if not why:
            readable.add(path.name)
        elif own or "seedvr" in path.name.lower() or path.name in BY_NAME:
            found.setdefault(path.name, UnreadableFile(path.name, _size(path), why))
    return sorted((file for name, file in found.items() if name not in readable), key=lambda file: file.name)


def find_installed(models_dir: ModelsDir, name: str) -> InstalledModel:
    """The model called `name` in the folders.

    Raises:
        ModelNotInstalledError: it is not there; the message says how to get it.
        CheckpointError: there is such a file, but it is no transformer.
        MachineError: it is not found, and a folder may not be read.
    """
    path = find_file(models_dir, name)
    if path is None:
        raise ModelNotInstalledError(how_to_get(name, models_dir))
    model = _identify(path)
    if model is None:
        raise CheckpointError(_facts(path).why or f"{path} is not a SeedVR2 transformer; choose another model.")
    return model


def find_file(models_dir: ModelsDir, name: str) -> Path | None:
    """The first file of that name that can be read, else the first of that name.

    Raises:
        MachineError: there is none, and a folder may not be read.
    """
    stock = look(models_dir)
    named = [path for path, _own in stock.files if path.name == Path(name).name and is_file(path)]
    if not named:
        _raise_refusal(stock)
        return None
    return next((path for path in named if len(named) == 1 or not _facts(path).why), named[0])


def find_vae(models_dir: ModelsDir) -> Path:
    """The VAE: the catalogue's, else another of this family that the folders have.

    Raises:
        ModelNotInstalledError: there is none; the message says how to get it.
        MachineError: there is none, and a folder may not be read.
    """
    stock = look(models_dir)
    files = [path for path, _own in stock.files]
    preferred = [path for path in files if path.name == VAE and is_file(path)]
    own = preferred or [path for path in files if _facts(path).kind == "vae"]
    if not own:
        _raise_refusal(stock)
        raise ModelNotInstalledError(how_to_get(VAE, models_dir))
    return own[0]


def find_text_embedding(models_dir: ModelsDir) -> Path | None:
    """The file of the text embedding, if the folders have it."""
    files = [path for path, _own in look(models_dir).files if is_file(path)]
    return next((path for name in TEXT_FILES for path in files if path.name == name), None)


def how_to_get(name: str, models_dir: ModelsDir) -> str:
    """A sentence for someone who lacks the file `name`."""
    target = home(models_dir).absolute()
    entry = BY_NAME.get(name)
    if entry is None:
        where = " or ".join(str(folder.absolute()) for folder in folders_of(models_dir))
        return (
            f"{where} has no model {name!r}; see `{command('models', 'list', '--models-dir', str(target))}`, "
            f"for example `{pulling(DEFAULT_MODEL, models_dir)}`."
        )
    return (
        f"{name} is not in {target}. Fetch it with `{pulling(name, models_dir)}`, "
        f"or download {entry.url()} and put it there."
    )


def pulling(name: str, models_dir: ModelsDir) -> str:
    """The command line that fetches `name` into the folders."""
    return command("models", "pull", name, "--models-dir", str(home(models_dir).absolute()))


def _raise_refusal(stock: Stock) -> None:
    # What lies in a folder that cannot be read now is unknown, not missing.
    if stock.refused:
        raise stock.refused[0]


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
