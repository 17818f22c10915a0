"""Reading GGUF: any ggml type on any tensor, mapped; quantised ones stay packed."""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from seedvr2.checkpoint.checkpoint import Checkpoint, Entry, bare_name
from seedvr2.checkpoint.failures import damaged
from seedvr2.checkpoint.ggml import is_supported
from seedvr2.checkpoint.gguf_header import Header, TensorPlace, read_header
from seedvr2.checkpoint.packed import PackedTensor
from seedvr2.errors import CheckpointError

_PLAIN = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
}
GGML_NAMES = {str(dtype).removeprefix("torch."): name for name, dtype in _PLAIN.items()}
# Tools that fold a convolution or an odd row into a shape that ggml can hold note the true one under this key.
ORIGINAL_SHAPE = "comfy.gguf.orig_shape."


def read(path: Path) -> Checkpoint:
    """Open `path`, which starts like a GGUF file.

    Raises:
        CheckpointError: it is truncated, damaged, or of a version or tensor type that is not known.
        MachineError: its disk refuses.
    """
    try:
        header = read_header(path)
        content = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
        entries = {place.name: _entry(header, place, content, path) for place in header.tensors}
    except (ValueError, OSError, RuntimeError) as error:
        raise damaged(path, error) from error
    metadata = {name: str(value) for name, value in header.metadata.items()}
    return Checkpoint(path, "gguf", metadata, entries)


def _entry(header: Header, place: TensorPlace, content: Tensor, path: Path) -> Entry:
    kind, shape = place.kind, _shape(header, place, path)
    if kind in _PLAIN:
        dtype = _PLAIN[kind]
        load = partial(_map, content, place.offset, place.nbytes, dtype, shape)
        return Entry(shape, str(dtype).removeprefix("torch."), load)
    if not is_supported(kind):
        raise CheckpointError(f"{path} stores {place.name} as {kind}, which cannot be read here; choose another file.")
    packed = partial(_map, content, place.offset, place.nbytes, torch.uint8, (place.nbytes,))
    return Entry(shape, kind, lambda: PackedTensor(kind, shape, packed()))


def _shape(header: Header, place: TensorPlace, path: Path) -> tuple[int, ...]:
    # Written under the bare name by some tools and under the prefixed one by others.
    noted = next((ORIGINAL_SHAPE + name for name in (place.name, bare_name(place.name))
                  if ORIGINAL_SHAPE + name in header.metadata), None)  # fmt: skip
    if noted is None:
        return place.shape
    original = header.metadata[noted]
    if not isinstance(original, list) or not all(isinstance(size, int) for size in original):
        raise CheckpointError(f"{path} gives {place.name} a shape that is no list of numbers. Fetch it again.")
    if min(original, default=0) < 1 or prod(original) != prod(place.shape):
        raise CheckpointError(f"{path} gives {place.name} the shape {tuple(original)}, which its data do not have.")
    return tuple(original)


def _map(content: Tensor, offset: int, nbytes: int, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    data = content[offset : offset + nbytes]
    # Only a file with a freak alignment needs the copy.
    return (data if offset % dtype.itemsize == 0 else data.clone()).view(dtype).view(shape)
