"""Converting a weight file to another precision or format, tensor by tensor, in little memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from seedvr2.checkpoint import gguf_writer, safetensors_writer
from seedvr2.checkpoint.atomic import written_whole
from seedvr2.checkpoint.opening import open_checkpoint
from seedvr2.checkpoint.recipe import PACKED, recipes
from seedvr2.errors import CheckpointError, MachineError, OptionError
from seedvr2.trouble import is_machine_trouble

_HEADER_ROOM = 1 << 20


def convert(
    source: Path,
    target: Path,
    precision: str,
    *,
    overwrite: bool = False,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the weights in `source` to `target` at `precision`; metadata is kept. Returns the size in bytes.

    `target` appears whole or not at all. A name that ends in `.gguf` makes a GGUF file, `.safetensors` the other.

    Args:
        precision: one of `seedvr2.checkpoint.recipe.PRECISIONS`.
        device: where the arithmetic is done; a GPU makes the K types many times faster.
        on_progress: told the bytes written so far and in all.

    Raises:
        OptionError: `precision` is unknown, or does not go with the weights or with the format of `target`.
        CheckpointError: `source` cannot be read, or `target` exists and `overwrite` is not set.
        MachineError: the disk is full, or refuses otherwise.
    """
    write = _writer(target, precision)
    checkpoint = open_checkpoint(source)
    tensors = recipes(checkpoint, precision, device)
    total, done = sum(tensor.nbytes for tensor in tensors), 0

    def written(count: int) -> None:
        nonlocal done
        done += count
        if on_progress:
            on_progress(done, total)

    _check_room(target, total)
    try:
        with written_whole(target, overwrite=overwrite) as part:
            write(part, tensors, checkpoint.metadata, written)
    except FileExistsError:
        raise CheckpointError(f"{target} exists; choose another name, or replace it with --force.") from None
    except OSError as error:
        sentence = f"{target} cannot be written ({error.strerror or error})."
        if is_machine_trouble(error):
            raise MachineError(sentence, error.errno or 0) from error
        raise CheckpointError(sentence) from error
    return target.stat().st_size


def _writer(target: Path, precision: str) -> Callable[..., None]:
    suffix = target.suffix.lower()
    if suffix not in (".safetensors", ".gguf"):
        raise OptionError("target", f"The name of the result ends in .safetensors or .gguf, not {target.name!r}.")
    if precision in PACKED and suffix != ".gguf":
        raise OptionError("precision", f"Only GGUF can hold {precision}; let the name of the result end in .gguf.")
    return gguf_writer.write if suffix == ".gguf" else safetensors_writer.write


def _check_room(target: Path, needed: int) -> None:
    if not target.parent.is_dir():
        raise CheckpointError(f"There is no folder {target.parent}; make it first.")
    free = shutil.disk_usage(target.parent).free
    if free < needed + _HEADER_ROOM:
        raise CheckpointError(
            f"{target} would take {needed / 1e9:.1f} GB, but its disk has {free / 1e9:.1f} GB free; make room first."
        )
