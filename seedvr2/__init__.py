"""The SeedVR2 engine: one-step restoration of videos and pictures.

>>> from seedvr2 import Upscaler, UpscaleOptions
>>> Upscaler(Path("models")).upscale(Path("in.mp4"), Path("out.mp4"), UpscaleOptions(resolution=1080))
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from seedvr2.options import UpscaleOptions

if TYPE_CHECKING:
    from seedvr2.result import UpscaleResult
    from seedvr2.upscaler import Upscaler

# PyTorch reads both when it is first imported. Huge pages: activations are large and new for each frame, and half of
# the time of small networks goes into page faults. No spinning: on a machine that does anything else at the same
# time, threads that wait for each other by spinning take the processor from the ones that they wait for.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

__version__ = "0.1.0"
__all__ = ["UpscaleOptions", "UpscaleResult", "Upscaler", "__version__"]


def __getattr__(name: str) -> Any:
    # The networks take seconds to import; whoever only wants the version or the options should not wait for them.
    if name == "Upscaler":
        from seedvr2.upscaler import Upscaler

        return Upscaler
    if name == "UpscaleResult":
        from seedvr2.result import UpscaleResult

        return UpscaleResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
