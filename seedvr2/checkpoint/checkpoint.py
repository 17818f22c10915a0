"""A weight file as names, shapes and tensors, whatever its format; nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seedvr2.checkpoint.packed import PackedTensor
from seedvr2.errors import CheckpointError

# Wrappers that training and packaging tools put around every parameter name.
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "module.", "_orig_mod.")


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file: its logical shape, its stored precision, and how to get at it."""

    shape: tuple[int, ...]
    precision: str
    load: Callable[[], Tensor | PackedTensor]


class Checkpoint:
    """An open weight file. Make it with `open_checkpoint`.

    Attributes:
        path: the file.
        format: `"safetensors"`, `"gguf"` or `"torch"`.
        metadata: what the file says about itself, as text.
        shapes: logical shape of each tensor by name, wrapper prefixes stripped.
        precisions: how each is stored: `"float16"`, `"bfloat16"`, `"float8_e4m3fn"`, … or a ggml type such as `"Q4_K"`.
    """

    def __init__(self, path: Path, format: str, metadata: Mapping[str, str], entries: Mapping[str, Entry]) -> None:
        self.path = path
        self.format = format
        self.metadata = dict(metadata)
        self._entries = strip_prefixes(entries)
        self.shapes = {name: entry.shape for name, entry in self._entries.items()}
        self.precisions = {name: entry.precision for name, entry in self._entries.items()}

    def tensor(self, name: str) -> Tensor | PackedTensor:
        """The tensor `name` on the CPU, memory-mapped, at its stored precision.

        Raises:
            CheckpointError: the file has no such tensor, or it is stored in a way that cannot be read.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise CheckpointError(f"{self.path} has no tensor {name!r}; it may be the file of another model.")
        return entry.load()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, {self.format}, {len(self.shapes)} tensors)"


def strip_prefixes(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """`entries` without the wrapper prefixes; left alone where two names would become one."""
    stripped = {bare_name(name): entry for name, entry in entries.items()}
    return stripped if len(stripped) == len(entries) else dict(entries)


def bare_name(name: str) -> str:
    """`name` without wrapper prefixes."""
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix)
    return name
