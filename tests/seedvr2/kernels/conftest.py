"""The Triton way runs on a card where there is one, and elsewhere in Triton's interpreter, on the processor."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    # Read when the kernels' modules are imported.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture
def device() -> Iterator[torch.device]:
    """Where kernels can be launched; skips where Triton is not installed."""
    pytest.importorskip("triton")
    # The interpreter computes with numpy, which warns of what is meant here: infinities and what is no number.
    with np.errstate(all="ignore"):
        yield torch.device("cuda" if torch.cuda.is_available() else "cpu")
