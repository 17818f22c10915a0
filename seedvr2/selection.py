"""Which model runs: the one that was asked for, or the best that this machine has and can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seedvr2.catalogue import CATALOGUE, DEFAULT_MODEL, find
from seedvr2.catalogue.conditioning import POSITIVE, lacks_text
from seedvr2.catalogue.folder import (
    InstalledModel,
    find_file,
    find_installed,
    find_text_embedding,
    find_vae,
    installed_models,
    pulling,
)
from seedvr2.catalogue.places import ModelsDir
from seedvr2.catalogue.registry import TEXT, VAE, is_size, of_size
from seedvr2.checkpoint import open_checkpoint
from seedvr2.errors import IncompleteModelError, ModelNotInstalledError, NeverFitsError
from seedvr2.nano import DIT_FILE, NAME, VAE_FILE
from seedvr2.planning.memory import capacity_bytes
from seedvr2.units import gigabytes

# From best to least, where several are installed: fidelity of the published quantisations (spec: users.md, section 6).
_PRECISIONS = ("FP32", "FP16", "BF16", "Q8", "FP8", "Q4")
# A model needs this much more than its weights to run at all: the VAE and one small tile.
_WORKING_BYTES = 2 * 10**9
# Of a model whose blocks wait in main memory, at most so much is on a GPU at a time.
_SHARE_AT_WORK = 0.15


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model by name, and its two weight files."""

    name: str
    dit: Path
    vae: Path


NANO = ModelFiles(NAME, DIT_FILE, VAE_FILE)


def select_model(wanted: str, models_dir: ModelsDir, device: torch.device, capacity: int | None = None) -> ModelFiles:
    """The files of a model.

    What `auto` stands for depends on the folder and on the device's size, never on what is free at the moment: one job
    must not run another model than the one before it.

    Args:
        wanted: a file name in `models_dir`, a short name of the catalogue such as `3b_fp8`, a size such as `3b` (the
            recommended file of that size, else the best installed one), `nano`, or `auto`: the catalogue's 3B FP8 on a
            GPU that can hold it, else the best installed model that fits, else the smallest one that fits in parts.
            Nano only where no other is installed.
        models_dir: the folder of weight files, or several.
        device: where it will run. capacity: bytes that a job could have there; asked for where None.

    Raises:
        ModelNotInstalledError: it is not in the folder; the message says how to get it.
        IncompleteModelError: it is, but not the VAE or the text embedding that it needs.
        NeverFitsError: `auto`, and none of the installed models fits on the device.
    """
    if wanted == NAME:
        return NANO
    if wanted in ("", "auto"):
        return _best(models_dir, device, capacity_bytes(device) if capacity is None else capacity)
    return _files(find_installed(models_dir, _full_name(wanted, models_dir)), models_dir)


def _full_name(wanted: str, models_dir: ModelsDir) -> str:
    if find_file(models_dir, wanted) is not None:
        return wanted
    name = find(wanted).name
    if is_size(wanted) and find_file(models_dir, name) is None:
        of_it = [model for model in installed_models(models_dir) if model.entry and of_size(wanted, model.entry)]
        return min(of_it, key=_rank).name if of_it else name
    return name


def _best(models_dir: ModelsDir, device: torch.device, capacity: int) -> ModelFiles:
    installed = installed_models(models_dir)
    if not installed:
        return NANO
    # With another model installed nano would be taken for it: whoever asks for it by name gets it.
    vae = _vae_for(installed[0], models_dir)
    complete = [model for model in installed if _has_text(model, models_dir)]
    if not complete:
        raise IncompleteModelError(lacks_text(installed[0].name, models_dir), TEXT, installed[0].name)
    room = capacity - _WORKING_BYTES
    whole = [model for model in complete if model.bytes <= room]
    if whole:
        default = next((model for model in whole if model.name == DEFAULT_MODEL), None)
        chosen = default if default and device.type == "cuda" else min(whole, key=_rank)
        return ModelFiles(chosen.name, chosen.path, vae)
    smallest = min(complete, key=lambda model: (model.bytes, model.name))
    if smallest.bytes * (_SHARE_AT_WORK if device.type == "cuda" else 1) > room:
        raise NeverFitsError(_none_fits(smallest, room, device, models_dir))
    return ModelFiles(smallest.name, smallest.path, vae)


def _none_fits(smallest: InstalledModel, room: int, device: torch.device, models_dir: ModelsDir) -> str:
    found = (
        f"None of the installed models fits on {device}: the smallest, {smallest.name}, takes "
        f"{gigabytes(smallest.bytes)}, and {gigabytes(room)} are there for it"
    )
    fitting = [entry for entry in CATALOGUE if entry.kind == "dit" and entry.bytes and entry.bytes <= room]
    if not fitting:
        return f"{found}; only the embedded model will run, as model = {NAME}."
    least = min(fitting, key=lambda entry: entry.bytes or 0)
    return f"{found}; `{pulling(least.name, models_dir)}` fetches one that fits."


def _has_text(model: InstalledModel, models_dir: ModelsDir) -> bool:
    """Whether the text embedding is at hand; without it a transformer cannot run, and a default must."""
    return find_text_embedding(models_dir) is not None or POSITIVE in open_checkpoint(model.path)


def _rank(model: InstalledModel) -> tuple[int, int, str]:
    size = {"7B": 0, "3B": 1}.get(model.params, 2)
    precision = _PRECISIONS.index(model.precision) if model.precision in _PRECISIONS else len(_PRECISIONS)
    return size, precision, model.name


def _files(model: InstalledModel, models_dir: ModelsDir) -> ModelFiles:
    vae = _vae_for(model, models_dir)
    if not _has_text(model, models_dir):
        raise IncompleteModelError(lacks_text(model.name, models_dir), TEXT, model.name)
    return ModelFiles(model.name, model.path, vae)


def _vae_for(model: InstalledModel, models_dir: ModelsDir) -> Path:
    try:
        return find_vae(models_dir)
    except ModelNotInstalledError as error:
        raise IncompleteModelError(f"{model.name} needs a VAE: {error}", VAE, model.name) from error
