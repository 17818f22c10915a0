"""Writing safetensors one tensor at a time, so that a file larger than the memory can be made.

The library's own writer takes all tensors at once. The format is eight bytes of header length, a JSON header with
the type, shape and place of each tensor, and the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from seedvr2.checkpoint.recipe import Recipe
from seedvr2.checkpoint.safetensors_file import FORMAT_NAMES
from seedvr2.errors import OptionError

_ALIGNMENT = 64


def write(
    path: Path, recipes: Sequence[Recipe], metadata: Mapping[str, str], on_written: Callable[[int], None]
) -> None:
    """Write `recipes` to `path`; `on_written` is told the bytes of each tensor when it is out.

    Raises:
        OptionError: a tensor is in a ggml type, which safetensors cannot hold.
    """
    packed = next((recipe for recipe in recipes if recipe.stored not in FORMAT_NAMES), None)
    if packed:
        raise OptionError("precision", f"Only GGUF can hold {packed.stored}; let the name of the result end in .gguf.")
    # Widest type first keeps every tensor aligned, as the library does.
    order = sorted(recipes, key=lambda recipe: -_width(recipe.stored))
    with path.open("wb") as file:
        file.write(_header(order, metadata))
        for recipe in order:
            data = recipe.make().contiguous()
            file.write(data.view(-1).view(torch.uint8).numpy().data)
            on_written(recipe.nbytes)


def _header(recipes: Sequence[Recipe], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for recipe in recipes:
        end = offset + recipe.nbytes
        place = [offset, end]
        entries[recipe.name] = {
            "dtype": FORMAT_NAMES[recipe.stored],
            "shape": list(recipe.shape),
            "data_offsets": place,
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _width(stored: str) -> int:
    dtype: torch.dtype = getattr(torch, stored)
    return dtype.itemsize
