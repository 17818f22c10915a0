"""The processor as the device under test, at the tiny sizes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import scale
from benchmarks.gpu.bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench(torch.device("cpu"), scale.small())
