"""Which model runs: the one that was asked for, or the best that this machine has and can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seedvr2.catalogue import DEFAULT_MODEL, find
from seedvr2.catalogue.conditioning import POSITIVE
from seedvr2.catalogue.folder import InstalledModel, find_installed, find_text_embedding, find_vae, installed_models
from seedvr2.checkpoint import open_checkpoint
from seedvr2.errors import CheckpointError, ModelNotInstalledError
from seedvr2.nano import DIT_FILE, NAME, VAE_FILE
from seedvr2.planning.memory import available_bytes

# From best to least, where several are installed: fidelity of the published quantisations (spec: users.md, section 6).
_PRECISIONS = ("FP32", "FP16", "BF16", "Q8", "FP8", "Q4")
# A model needs this much more than its weights to run at all: the VAE and one small tile.
_WORKING_BYTES = 2 * 10**9


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model by name, and its two weight files."""

    name: str
    dit: Path
    vae: Path


NANO = ModelFiles(NAME, DIT_FILE, VAE_FILE)


def select_model(wanted: str, models_dir: Path, device: torch.device) -> ModelFiles:
    """The files of a model.

    Args:
        wanted: a file name in `models_dir`, a short name of the catalogue such as `3b_fp8`, `nano`, or `auto`: the
            catalogue's 3B FP8 on a GPU that can hold it, else the best installed model that fits, else nano.
        models_dir: the folder of weight files.
        device: where it will run.

    Raises:
        ModelNotInstalledError: it is not in the folder; the message says how to get it.
    """
    if wanted == NAME:
        return NANO
    if wanted in ("", "auto"):
        return _best(models_dir, device)
    return _files(find_installed(models_dir, _full_name(wanted, models_dir)), models_dir)


def _full_name(wanted: str, models_dir: Path) -> str:
    if (models_dir / Path(wanted).name).is_file():
        return wanted
    try:
        return find(wanted).name
    except CheckpointError as error:
        raise ModelNotInstalledError(str(error)) from error


def _best(models_dir: Path, device: torch.device) -> ModelFiles:
    room = available_bytes(device) - _WORKING_BYTES
    fitting = [model for model in installed_models(models_dir) if model.bytes <= room and _has_text(model, models_dir)]
    if not fitting:
        return NANO
    default = next((model for model in fitting if model.name == DEFAULT_MODEL), None)
    chosen = default if default and device.type == "cuda" else min(fitting, key=_rank)
    try:
        return _files(chosen, models_dir)
    except ModelNotInstalledError:
        return NANO


def _has_text(model: InstalledModel, models_dir: Path) -> bool:
    """Whether the text embedding is at hand; without it a transformer cannot run, and a default must."""
    return find_text_embedding(models_dir) is not None or POSITIVE in open_checkpoint(model.path)


def _rank(model: InstalledModel) -> tuple[int, int, str]:
    size = {"7B": 0, "3B": 1}.get(model.params, 2)
    precision = _PRECISIONS.index(model.precision) if model.precision in _PRECISIONS else len(_PRECISIONS)
    return size, precision, model.name


def _files(model: InstalledModel, models_dir: Path) -> ModelFiles:
    return ModelFiles(model.name, model.path, find_vae(models_dir))
