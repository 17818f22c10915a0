"""The Triton way runs on a card where there is one, and elsewhere in Triton's interpreter, on the processor."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from seedvr2.kernels import switch

if not torch.cuda.is_available():
    # Read when the kernels' modules are imported.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Where the public functions take the Triton way, and fail where they do not; skips where Triton is missing."""
    pytest.importorskip("triton")
    asked: list[torch.Tensor] = []
    off: set[str] = set()
    monkeypatch.setattr(switch, "_off", off)
    monkeypatch.setattr(switch, "_on_card", lambda x: not asked.append(x))
    # The interpreter computes with numpy, which warns of what is meant here: infinities and what is no number.
    with np.errstate(all="ignore"):
        yield torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert asked and not off
