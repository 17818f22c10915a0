"""Weight files: read memory-mapped at their stored precision, and converted from one format to another."""

from seedvr2.checkpoint.checkpoint import Checkpoint
from seedvr2.checkpoint.opening import open_checkpoint
from seedvr2.checkpoint.packed import PackedTensor

__all__ = ["Checkpoint", "PackedTensor", "open_checkpoint"]
