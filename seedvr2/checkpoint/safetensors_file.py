"""Reading safetensors: the library maps the file, so a tensor costs memory only for the pages that are touched."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from seedvr2.checkpoint.checkpoint import Checkpoint, Entry
from seedvr2.checkpoint.failures import damaged
from seedvr2.errors import CheckpointError
from seedvr2.trouble import is_out_of_memory

# The names of the format, as torch calls them; any other (packed 4-bit types and the like) keeps its own.
_TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
# Beside each int8, MXFP8 or NVFP4 weight lies a note of this name; scaled fp8 files carry a marker.
_FOREIGN_QUANTISATION = (".comfy_quant", "scaled_fp8")
FORMAT_NAMES = {torch_name: name for name, torch_name in _TORCH_NAMES.items()}


def read(path: Path) -> Checkpoint:
    """Open `path`, which starts like a safetensors file.

    Raises:
        CheckpointError: it is truncated or damaged, or quantised in a way that is not known.
        MachineError: its disk refuses.
    """
    try:
        file: Any = safe_open(path, framework="pt")
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise damaged(path, error) from error
    if any(name.endswith(_FOREIGN_QUANTISATION) for name in slices):
        raise CheckpointError(
            f"{path} is quantised in a format of ComfyUI's own, which cannot be read here. "
            "Choose the fp16, fp8 or GGUF file of that model."
        )
    entries = {
        name: Entry(tuple(part.get_shape()), _precision(part.get_dtype()), partial(_load, file, path, name))
        for name, part in slices.items()
    }
    return Checkpoint(path, "safetensors", file.metadata() or {}, entries)


def _precision(name: str) -> str:
    return _TORCH_NAMES.get(name, name)


def _load(file: Any, path: Path, name: str) -> Tensor:
    try:
        tensor: Tensor = file.get_tensor(name)
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        if is_out_of_memory(error) or isinstance(error, OSError):
            raise damaged(path, error) from error
        raise CheckpointError(f"{path} stores {name} in a way that cannot be read here ({error}).") from error
    return tensor
