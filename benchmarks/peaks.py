"""What this processor reaches at best, now: the yardstick of every share that is printed.

    python -m benchmarks.peaks

Neither is the engine's own code: one matrix product and one convolution of torch's, at a size that suits both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_EDGE = 2048
_CHANNELS, _SIDE = 256, 128
# Each is repeated for so long, and the fastest counts.
_SECONDS, _LEAST = 0.5, 3


@torch.no_grad()
def measure_peaks(dtype: torch.dtype, *, edge: int = _EDGE, side: int = _SIDE) -> dict[str, float]:
    """TFLOP/s of a product of `edge` x `edge` matrices and of a 3x3 convolution over `side` x `side` pixels."""
    left, right = (torch.randn(edge, edge).to(dtype) for _ in range(2))
    x = torch.randn(1, _CHANNELS, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(_CHANNELS, _CHANNELS, 3, 3).to(dtype).contiguous(memory_format=torch.channels_last)
    product = _fastest(lambda: left @ right)
    convolution = _fastest(lambda: F.conv2d(x, kernel, padding=1))
    return {
        "matmul_tflops": round(2 * edge**3 / product / 1e12, 4),
        "convolution_tflops": round(2 * 9 * _CHANNELS**2 * side**2 / convolution / 1e12, 4),
    }


def better(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Of each peak the higher: what disturbed the one need not have disturbed the other."""
    return {name: max(peak, after[name]) for name, peak in before.items()}


def _fastest(run: Callable[[], Tensor]) -> float:
    run()
    times: list[float] = []
    while len(times) < _LEAST or sum(times) < _SECONDS:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print the peaks of the type that the networks compute in here."""
    from seedvr2.model import choose_dtype

    dtype = choose_dtype("auto", torch.device("cpu"))
    print(json.dumps({"dtype": str(dtype).removeprefix("torch."), **measure_peaks(dtype)}))


if __name__ == "__main__":
    main()
