"""Weight files: read memory-mapped at their stored precision, and converted from one format to another."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedvr2.checkpoint.checkpoint import Checkpoint
    from seedvr2.checkpoint.opening import open_checkpoint
    from seedvr2.checkpoint.packed import PackedTensor

__all__ = ["Checkpoint", "PackedTensor", "open_checkpoint"]
_HOMES = {
    "Checkpoint": "seedvr2.checkpoint.checkpoint",
    "PackedTensor": "seedvr2.checkpoint.packed",
    "open_checkpoint": "seedvr2.checkpoint.opening",
}


def __getattr__(name: str) -> Any:
    # They import torch, which takes a second; `seedvr2 convert --help` should not wait for it.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
