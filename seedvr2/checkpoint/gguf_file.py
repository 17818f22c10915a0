"""Reading GGUF: any ggml type on any tensor, mapped; quantised ones stay packed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from gguf import GGMLQuantizationType, GGUFEndian, GGUFReader, ReaderTensor
from torch import Tensor

from seedvr2.checkpoint.checkpoint import Checkpoint, Entry, bare_name
from seedvr2.checkpoint.ggml import is_supported
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


class _Reader(GGUFReader):  # type: ignore[misc]
    """The package's reader, which alone would not say which tensor has a type that it does not know."""

    def _build_tensors(self, start_offs: int, fields: list[Any]) -> None:
        for field in fields:
            kind = int(field.parts[4][0])
            if kind not in iter(GGMLQuantizationType):
                raise ValueError(f"the tensor {field.name} has the ggml type {kind}, which is not known")
        super()._build_tensors(start_offs, fields)


def read(path: Path) -> Checkpoint:
    """Open `path`, which starts like a GGUF file.

    Raises:
        CheckpointError: it is truncated, damaged, or of a version or tensor type that is not known.
    """
    try:
        reader = _Reader(path)
        metadata = {name: str(field.contents()) for name, field in reader.fields.items()}
    except (ValueError, IndexError, KeyError, OverflowError, OSError) as error:
        raise CheckpointError(f"{path} is damaged, incomplete or too new ({error}). Fetch it again.") from error
    if reader.endianess != GGUFEndian.LITTLE:
        raise CheckpointError(f"{path} was written for big-endian machines; choose the ordinary GGUF file.")
    content = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    entries = {tensor.name: _entry(reader, tensor, content, path) for tensor in reader.tensors}
    return Checkpoint(path, "gguf", metadata, entries)


def _entry(reader: GGUFReader, tensor: ReaderTensor, content: Tensor, path: Path) -> Entry:
    name, kind = str(tensor.name), str(tensor.tensor_type.name)
    shape = _shape(reader, tensor, path)
    offset, nbytes = int(tensor.data_offset), int(tensor.n_bytes)
    if kind in _PLAIN:
        dtype = _PLAIN[kind]
        return Entry(shape, str(dtype).removeprefix("torch."), partial(_map, content, offset, nbytes, dtype, shape))
    if not is_supported(kind):
        raise CheckpointError(f"{path} stores {name} as {kind}, which cannot be read here; choose another file.")
    return Entry(shape, kind, lambda: PackedTensor(kind, shape, _map(content, offset, nbytes, torch.uint8, (nbytes,))))


def _shape(reader: GGUFReader, tensor: ReaderTensor, path: Path) -> tuple[int, ...]:
    shape = tuple(int(size) for size in reversed(tensor.shape.tolist()))
    # Written under the bare name by some tools and under the prefixed one by others.
    field: Any = reader.get_field(ORIGINAL_SHAPE + tensor.name) or reader.get_field(
        ORIGINAL_SHAPE + bare_name(tensor.name)
    )
    if field is None:
        return shape
    original = tuple(int(size) for size in field.contents())
    if torch.Size(original).numel() != torch.Size(shape).numel():
        raise CheckpointError(f"{path} gives {tensor.name} the shape {original}, which its data do not have.")
    return original


def _map(content: Tensor, offset: int, nbytes: int, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    data = content[offset : offset + nbytes]
    # Only a file with a freak alignment needs the copy.
    return (data if offset % dtype.itemsize == 0 else data.clone()).view(dtype).view(shape)
