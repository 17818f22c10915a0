"""Writing GGUF one tensor at a time, with the names and metadata that the published files have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch
from gguf import GGML_QUANT_VERSION, GGMLQuantizationType, GGUFWriter, LlamaFileType

from seedvr2.checkpoint.gguf_file import GGML_NAMES, ORIGINAL_SHAPE
from seedvr2.checkpoint.recipe import Recipe
from seedvr2.errors import OptionError

ARCHITECTURE = "seedvr"
_MOST_DIMENSIONS = 4
_OWN_KEYS = ("general.architecture", "general.quantization_version", "general.file_type", "general.alignment")


def write(
    path: Path, recipes: Sequence[Recipe], metadata: Mapping[str, str], on_written: Callable[[int], None]
) -> None:
    """Write `recipes` to `path`; `on_written` is told the bytes of each tensor when it is out.

    Raises:
        OptionError: a tensor is in a type that GGUF cannot hold, such as fp8.
    """
    writer = GGUFWriter(path, ARCHITECTURE)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_file_type(_file_type(recipes))
    for key, value in metadata.items():
        if key not in _OWN_KEYS and not key.startswith(("GGUF.", ORIGINAL_SHAPE)):
            writer.add_string(key, value)
    for recipe in recipes:
        _announce(writer, recipe)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for recipe in recipes:
            data = recipe.make().contiguous()
            writer.write_tensor_data(data.view(-1).view(torch.uint8).numpy())
            on_written(recipe.nbytes)
    finally:
        writer.close()


def _announce(writer: GGUFWriter, recipe: Recipe) -> None:
    kind = GGML_NAMES.get(recipe.stored, recipe.stored)
    if kind not in GGMLQuantizationType.__members__:
        raise OptionError(
            "precision", f"GGUF cannot hold {recipe.stored}; let the name of the result end in .safetensors."
        )
    shape = recipe.shape
    if len(shape) > _MOST_DIMENSIONS:
        # ggml has four dimensions; readers fold it back by this key.
        writer.add_array(ORIGINAL_SHAPE + recipe.name, list(shape))
        shape = (shape[0], prod(shape[1:]))
    # The type given with a raw type only says that the shape counts elements, not bytes.
    writer.add_tensor_info(recipe.name, shape, np.dtype(np.float32), recipe.nbytes, GGMLQuantizationType[kind])


def _file_type(recipes: Sequence[Recipe]) -> LlamaFileType:
    """What most of the bytes are, in the words of llama.cpp."""
    sizes: dict[str, int] = {}
    for recipe in recipes:
        sizes[recipe.stored] = sizes.get(recipe.stored, 0) + recipe.nbytes
    main = max(sizes, key=lambda stored: sizes[stored])
    kind = GGML_NAMES.get(main, main)
    names = (f"MOSTLY_{kind}", f"MOSTLY_{kind}_M", f"ALL_{kind}")
    return next((LlamaFileType[name] for name in names if name in LlamaFileType.__members__), LlamaFileType.GUESSED)
