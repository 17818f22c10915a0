"""Reading `.pt` and `.pth`, never running the code that such a file may carry."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seedvr2.checkpoint.checkpoint import Checkpoint, Entry
from seedvr2.errors import CheckpointError

# What trainers call the weights inside a checkpoint, the averaged ones first.
WRAPPERS = ("ema", "params_ema", "state_dict", "model", "module", "params", "generator")


def read(path: Path) -> Checkpoint:
    """Open `path`, a PyTorch file of tensors, of a dictionary of them, or of such a dictionary inside another.

    A lone tensor is named after the file's stem.

    Raises:
        CheckpointError: it is damaged, holds no tensors, or holds objects that only running code could restore.
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
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged, or holds Python objects beside its tensors; those could run code and are not loaded. "
            "Choose the safetensors or GGUF file of that model."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise CheckpointError(f"{path} is damaged or incomplete ({_first_line(error)}). Fetch it again.") from error


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


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
