"""The head of a GGUF file: what it says about itself and where its tensors are.

Read by our own hand and not by the `gguf` package, which believes every number in the file: an array that claims 2^63
elements would keep it busy for good. Here each count and length is held against what is left of the file and against
limits that no weight file comes near, before anything of that size is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_LARGEST_HEADER = 1 << 26
# Of tensors and of metadata; the largest published model has 1,600 tensors.
_MOST_ENTRIES = 1 << 16
# In all arrays of the metadata together: the largest vocabularies of language models have as many.
_MOST_ELEMENTS = 1 << 19
_LONGEST_NAME = 1 << 16
_MOST_AXES = 8
_DEEPEST = 4

_SCALARS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}


class HeaderError(ValueError):
    """The file is not as the format wants it; the message says how."""


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """A tensor of the file: its shape as numpy has it, its ggml type, and its bytes in the file."""

    name: str
    shape: tuple[int, ...]
    kind: str
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """The values of the metadata (numbers, texts, lists of them), and the tensors in the file's order."""

    metadata: dict[str, Any]
    tensors: tuple[TensorPlace, ...]


def read_header(path: Path) -> Header:
    """The head of the file at `path`, which starts with `GGUF`.

    Raises:
        HeaderError: a number in it cannot be true, or is of a version or type that is not known.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _Reader(file, path.stat().st_size).header()


class _Reader:
    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0
        self._elements = 0

    def header(self) -> Header:
        self._take(4)
        version = self._number("I")
        if version & 0xFFFF == 0:
            raise HeaderError("it was written for big-endian machines; choose the ordinary GGUF file")
        if version not in _VERSIONS:
            raise HeaderError(f"it has the version {version} of the format, which is not known")
        tensors, values = self._count("tensors", 24), self._count("values", 13)
        metadata: dict[str, Any] = {}
        for _ in range(values):
            name = self._text(_LONGEST_NAME)
            if name in metadata:
                raise HeaderError(f"it has two values called {name}")
            metadata[name] = self._value(self._number("I"), _DEEPEST)
        infos = [self._tensor_info() for _ in range(tensors)]
        if len({info[0] for info in infos}) < len(infos):
            raise HeaderError("it has two tensors of the same name")
        start = -(-self._at // _alignment(metadata)) * _alignment(metadata)
        return Header(metadata, tuple(self._place(start, *info) for info in infos))

    def _place(self, start: int, name: str, axes: tuple[int, ...], kind: int, offset: int) -> TensorPlace:
        if kind not in iter(GGMLQuantizationType):
            raise HeaderError(f"it has the tensor {name} of the ggml type {kind}, which is not known")
        ggml_type = GGMLQuantizationType(kind)
        elements, block_bytes = GGML_QUANT_SIZES[ggml_type]
        # The first axis is the one that is together in the file.
        if 0 in axes or axes[0] % elements:
            raise HeaderError(
                f"has the tensor {name} of {list(axes)} elements, which is not possible as {ggml_type.name}"
            )
        nbytes = prod(axes) // elements * block_bytes
        if start + offset + nbytes > self._size:
            raise HeaderError(f"it ends before its tensor {name} does")
        return TensorPlace(name, axes[::-1], ggml_type.name, start + offset, nbytes)

    def _tensor_info(self) -> tuple[str, tuple[int, ...], int, int]:
        name, rank = self._text(_LONGEST_NAME), self._number("I")
        if not 1 <= rank <= _MOST_AXES:
            raise HeaderError(f"it has the tensor {name[:80]} with {rank} axes")
        axes = struct.unpack(f"<{rank}Q", self._take(8 * rank))
        return name, axes, self._number("I"), self._number("Q")

    def _value(self, kind: int, depth: int) -> Any:
        if kind == GGUFValueType.STRING:
            return self._text(_LARGEST_HEADER)
        if kind == GGUFValueType.ARRAY:
            return self._array(depth)
        return self._number(_format(kind))

    def _array(self, depth: int) -> list[Any]:
        kind, count = self._number("I"), self._number("Q")
        self._elements += count
        if not depth or self._elements > _MOST_ELEMENTS:
            raise HeaderError("it has more values in arrays than a weight file needs")
        if kind in (GGUFValueType.STRING, GGUFValueType.ARRAY):
            return [self._value(kind, depth - 1) for _ in range(count)]
        layout = struct.Struct(f"<{count}{_format(kind)}")
        return list(layout.unpack(self._take(layout.size)))

    def _count(self, what: str, least: int) -> int:
        """A number of things that take at least so many bytes each."""
        count: int = self._number("Q")
        if count > min(_MOST_ENTRIES, (self._size - self._at) // least):
            raise HeaderError(f"it claims to have {count} {what}")
        return count

    def _text(self, longest: int) -> str:
        length = self._number("Q")
        if length > longest:
            raise HeaderError(f"it has a text of {length} bytes")
        return self._take(length).decode()

    def _number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self._take(struct.calcsize(f"<{code}")))[0]

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > self._size:
            raise HeaderError("it ends in the middle of its header")
        if self._at > _LARGEST_HEADER:
            raise HeaderError("it has a longer header than a weight file needs")
        data = self._file.read(count)
        if len(data) < count:  # it has become shorter meanwhile
            raise HeaderError("it ends in the middle of its header")
        return data


def _format(kind: int) -> str:
    if kind not in _SCALARS:
        raise HeaderError(f"it has a value of the type {kind}, which is not known")
    return _SCALARS[GGUFValueType(kind)]


def _alignment(metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise HeaderError(f"it aligns its tensors to {str(alignment)[:20]} bytes, which is not a power of two")
    return alignment
