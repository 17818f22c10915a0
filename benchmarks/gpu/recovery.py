"""Step 8: what is left after memory ran out in the middle of an operation, and after the device itself failed.

A failed assertion on the device spoils the process that it happens in for good, so it happens in one of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.meter import limited, live_bytes
from benchmarks.gpu.rows import Row, equal, guarded, measured
from benchmarks.gpu.weights import random_vae
from seedvr2.model import release_memory
from seedvr2.trouble import is_out_of_memory

PATIENCE_S = 60
# Bytes of what the rest of the memory is filled with, from the largest.
_LARGEST, _SMALLEST = 1 << 30, 1 << 20
_SUM = "import torch; print(int(torch.arange(1000, device={device!r}).sum()))"
# An index beyond the table: an assertion on a GPU, an IndexError on a processor.
_FAULT = """
import torch
table, index = torch.zeros(4, device={device!r}), torch.tensor([4000], device={device!r})
print(table[index].sum().item())
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Too little memory here, then a fault of the device in a child."""
    yield from guarded("memory runs out", out_of_memory(bench))
    yield from guarded("the device fails in a child", device_fault(bench))


@torch.no_grad()
def out_of_memory(bench: Bench) -> Iterator[Row]:
    """A decode that does not fit fails as such, gives back what it took, and then runs with the same result."""
    vae = random_vae(bench.scale.vae, bench.device, bench.vae_dtype)
    edge = bench.scale.narrow
    grid = edge // vae.config.spatial_factor
    latent = torch.randn(2, grid, grid, vae.config.latent_channels, device=bench.device).to(vae.dtype)
    wanted = vae.decode(latent)
    release_memory()
    before = live_bytes(bench.device)
    yield equal("memory runs out: recognised", _runs_out(bench, vae, latent, before), True)
    release_memory()
    yield measured("memory runs out: left behind", (live_bytes(bench.device) - before) / 2**20, "MiB", most=0)
    yield equal("memory runs out: the same result afterwards", torch.equal(vae.decode(latent), wanted), True)


def _runs_out(bench: Bench, vae: torch.nn.Module, latent: torch.Tensor, before: int) -> bool:
    """Whether a decode under a limit that is too small fails, and is taken for what it is."""
    try:
        with limited(bench.device, _just_above(bench, before)):
            filling = _fill(bench)
            vae.decode(latent)  # type: ignore[operator]
            del filling
    except (RuntimeError, MemoryError) as error:
        return is_out_of_memory(error)
    return False


def _just_above(bench: Bench, before: int) -> int:
    """A limit that the weights fit under, with room for the first layers at the most."""
    if bench.device.type == "cuda":
        return torch.cuda.memory_reserved(bench.device) + (8 << 20)
    return before // 4


def _fill(bench: Bench) -> list[torch.Tensor]:
    """Everything that a card's allocator still holds, so that the next operation finds none; of main memory nothing."""
    taken: list[torch.Tensor] = []
    size = _LARGEST if bench.device.type == "cuda" else 0
    while size >= _SMALLEST:
        try:
            taken.append(torch.empty(size, dtype=torch.uint8, device=bench.device))
        except torch.OutOfMemoryError:
            size //= 2
    return taken


def device_fault(bench: Bench) -> Iterator[Row]:
    """The child dies of it; this process and the next child work on."""
    ended, said, _ = _child(bench, _FAULT)
    yield Row(
        "the device fails in a child: it ends with an error", ended, tolerance="≠ 0", ok=ended != 0, note=said[-2000:]
    )
    yield equal("the device fails in a child: taken for lack of memory", is_out_of_memory(RuntimeError(said)), False)
    here = int(torch.arange(1000, device=bench.device).sum())
    yield equal("the device fails in a child: a sum here", here, 499500)
    ended, said, seconds = _child(bench, _SUM)
    yield equal("the device fails in a child: a sum in the next one", said.strip()[-6:], "499500")
    yield measured("the device fails in a child: start of the next one", seconds, "s")


def _child(bench: Bench, program: str) -> tuple[int, str, float]:
    """Exit status, output and seconds of a Python program on the device."""
    started = time.perf_counter()
    command = [sys.executable, "-c", program.format(device=str(bench.device))]
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False
    )
    return ended.returncode, ended.stdout, time.perf_counter() - started
