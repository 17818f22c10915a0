"""Opening a weight file by what it is, not by what it is called: a wrong suffix does no harm."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from seedvr2.checkpoint import safetensors_file, torch_file
from seedvr2.checkpoint.checkpoint import Checkpoint
from seedvr2.checkpoint.failures import damaged
from seedvr2.errors import CheckpointError

_LFS_POINTER = b"version https://git-lfs"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
# The format allows 100 MB; headers of models have some hundred KB, and unpacked they take ten times as much.
_LARGEST_HEADER = 1 << 24


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Open a safetensors, GGUF or PyTorch weight file without reading its tensors.

    Raises:
        CheckpointError: there is no such file, or it is damaged or of no known format.
        MachineError: its disk or its permissions refuse.
        OutOfMemoryError: there is not enough to open it.
    """
    path = Path(path)
    head = _head(path)
    if head.startswith(b"GGUF"):
        # Only here: all but GGUF files can be read without the gguf package.
        from seedvr2.checkpoint import gguf_file

        return gguf_file.read(path)
    # Before the pickles: the length in front of a safetensors header may happen to start like one.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < _LARGEST_HEADER:
        return safetensors_file.read(path)
    if head.startswith((_ZIP, _PICKLE)):
        return torch_file.read(path)
    raise CheckpointError(f"{path} is {_what(head)}. Fetch it again, or choose a safetensors, GGUF or PyTorch file.")


def _head(path: Path) -> bytes:
    try:
        # Opening a pipe to read it would wait for somebody to write into it.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CheckpointError(f"{path} is a pipe or a device, not a weight file.")
            return file.read(64)
    except FileNotFoundError:
        raise CheckpointError(f"There is no weight file {path}.") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder, not a weight file.") from None
    except OSError as error:
        raise damaged(path, error) from error


def _what(head: bytes) -> str:
    if not head:
        return "empty"
    if head.startswith(_LFS_POINTER):
        return "a Git LFS pointer, not the weights themselves"
    if head.lstrip().startswith(b"<"):
        return "a web page, not a weight file"
    return "not a weight file that can be read here"
