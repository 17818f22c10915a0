"""Step 1: what the card is, and what it reaches at best: matrix products, copies, one convolution in both layouts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.meter import peak_of
from benchmarks.gpu.rows import GIB, Row, fact, guarded, measured

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}


def rows(bench: Bench) -> Iterator[Row]:
    """Versions, then speeds."""
    yield from versions(bench)
    for dtype in (torch.bfloat16, torch.float16):
        speed = bench.matmul_speed(dtype)
        yield measured(f"matmul {bench.scale.matmul_edge}³: {_name(dtype)}", speed / 1e12, "TFLOP/s")
    yield from guarded("copy", copy(bench))
    for layout in LAYOUTS:
        yield from guarded(f"conv3d, {layout}", convolution(bench, layout))


def versions(bench: Bench) -> Iterator[Row]:
    """Everything that a figure depends on."""
    yield fact("versions: python", sys.version.split()[0])
    yield fact("versions: numpy", np.__version__)
    yield fact("versions: torch", torch.__version__)
    if bench.device.type != "cuda":
        yield fact("device: processor", f"{torch.get_num_threads()} threads, {_name(bench.dtype)}")
        return
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    yield fact("versions: CUDA", torch.version.cuda)
    yield fact("versions: cuDNN", cudnn)
    yield fact("versions: driver", _driver())
    card = torch.cuda.get_device_properties(bench.device)
    yield fact("device: name", card.name)
    yield fact("device: compute capability", f"{card.major}.{card.minor}")
    yield fact("device: computes in", _name(bench.dtype))
    yield fact(
        "device: segments of memory that grow",
        torch.cuda.memory._snapshot()["allocator_settings"]["expandable_segments"],
    )
    yield measured("device: memory", card.total_memory / GIB, "GiB")


def copy(bench: Bench) -> Iterator[Row]:
    """A large copy within the device's memory."""
    yield measured(f"copy of {bench.scale.copy_bytes / 1e9:g} GB: speed", bench.copy_speed() / 1e9, "GB/s")


@torch.no_grad()
def convolution(bench: Bench, layout: str) -> Iterator[Row]:
    """Time and memory of one convolution of the VAE's decoder at full resolution."""
    inputs, outputs, frames, height, width = bench.scale.conv

    def noise(*shape: int) -> torch.Tensor:
        values = torch.randn(shape, device=bench.device, dtype=bench.dtype)
        return values.contiguous(memory_format=LAYOUTS[layout])

    x, weight = noise(1, inputs, frames, height, width), noise(outputs, inputs, 3, 3, 3)
    name = f"conv3d {inputs}→{outputs} over {frames}×{height}×{width}, {layout}"

    def convolve() -> torch.Tensor:
        return F.conv3d(x, weight, padding=(0, 1, 1))

    yield measured(f"{name}: time", bench.seconds(convolve) * 1e3, "ms")
    with peak_of(bench.device) as peak:
        convolve()
    yield measured(f"{name}: peak beside the input", peak.allocated / GIB, "GiB")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _driver() -> str:
    """The driver's version, which torch does not tell."""
    path = Path("/proc/driver/nvidia/version")
    return path.read_text().partition("\n")[0] if path.exists() else "unknown"
