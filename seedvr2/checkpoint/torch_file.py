"""Reading `.pt` and `.pth`, never running the code that such a file may carry."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seedvr2.checkpoint.checkpoint import Checkpoint, Entry
from seedvr2.checkpoint.failures import damaged
from seedvr2.errors import CheckpointError

# What trainers call the weights inside a checkpoint, the averaged ones first.
WRAPPERS = ("ema", "params_ema", "state_dict", "model", "module", "params", "generator")
# What comes out of torch's reader for files that were tampered with: it does as the pickle says.
_DAMAGE = (
    *(RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, ImportError, MemoryError, struct.error, zipfile.BadZipFile),
)


def read(path: Path) -> Checkpoint:
    """Open `path`, a PyTorch file of tensors, of a dictionary of them, or of such a dictionary inside another.

    A lone tensor is named after the file's stem.

    Raises:
        CheckpointError: it is damaged, holds no tensors, or holds objects that only running code could restore.
        MachineError: its disk refuses.
    """
    tensors = _tensors(_load(path), path)
    return Checkpoint(path, "torch", {}, {name: _entry(tensor) for name, tensor in tensors.items()})


def _entry(tensor: Tensor) -> Entry:
    return Entry(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), lambda: tensor)


def _load(path: Path) -> Any:
    try:
        # Files older than torch 1.6 are not zip archives and cannot be mapped.
        with path.open("rb") as file:
            mapped = file.read(2) == b"PK"
        if mapped:
            _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged, or holds Python objects beside its tensors; those could run code and are not loaded. "
            "Choose the safetensors or GGUF file of that model."
        ) from error
    except _DAMAGE as error:
        raise damaged(path, error) from error


def _check_archive(path: Path) -> None:
    """Refuse what torch would unpack at any size: it writes its archives unpacked itself.

    Raises:
        ValueError, zipfile.BadZipFile: it is no archive as torch writes them.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in entries):
        raise ValueError("it is a compressed archive, which torch does not write")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError("the parts of its archive overlap")


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Tensor):
        return {path.stem: content}
    while isinstance(content, Mapping):
        tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            if tensors:
                return {str(name): tensor for name, tensor in tensors.items()}
            break
        content = inner
    raise CheckpointError(f"{path} holds no tensors that can be told by name; it is not a weight file of a model.")
