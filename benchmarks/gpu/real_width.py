"""Step 3: layers of the real width, against the same weights in float32 on the processor.

Errors of rounding grow with the width, which the small networks of the fixtures do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Row, guarded, measured
from benchmarks.gpu.weights import TEXT_LENGTH, random_dit, random_vae

# Relative distance, L2: what rounding alone explains.
TOLERANCES = {torch.float32: 1e-4, torch.float16: 3e-3, torch.bfloat16: 3e-2}
FRAMES = 5
# Where the weights are made: another device's generator gives other numbers.
PROCESSOR = torch.device("cpu")


def rows(bench: Bench) -> Iterator[Row]:
    """The VAE, and two blocks of each transformer."""
    yield from guarded("VAE", vae(bench))
    for params in bench.scale.dits:
        yield from guarded(f"two blocks of {params}", blocks(bench, params))


@torch.no_grad()
def vae(bench: Bench) -> Iterator[Row]:
    """Encoder and decoder over one clip."""
    config, edge = bench.scale.vae, bench.scale.narrow
    exact, network = (
        random_vae(config, device, torch.float32, made_on=PROCESSOR) for device in (PROCESSOR, bench.device)
    )
    frames = _noise(3, FRAMES, edge, edge).clamp_(-1, 1)
    latent = exact.encode(frames)
    wanted = {"encode": latent, "decode": exact.decode(latent)}
    for stage, given, run in (("encode", frames, network.encode), ("decode", latent, network.decode)):
        for dtype, tolerance in TOLERANCES.items():
            got = run(given.to(bench.device, dtype))
            yield _row(f"VAE {stage} {edge}² × {FRAMES}", dtype, got, wanted[stage], tolerance)


@torch.no_grad()
def blocks(bench: Bench, params: str) -> Iterator[Row]:
    """The first and the last block, which differ in kind, between the layers that lead in and out."""
    config = bench.scale.dits[params]
    config = replace(config, shared=(config.shared[0], config.shared[-1]))
    exact, network = (
        random_dit(config, "fp16", device, torch.float32, made_on=PROCESSOR) for device in (PROCESSOR, bench.device)
    )
    edge = bench.scale.narrow // 4
    latent = _noise(2, edge, edge, config.input_channels)
    text = _noise(TEXT_LENGTH, config.text_channels)
    wanted = exact(latent, text)
    for dtype, tolerance in TOLERANCES.items():
        got = network(latent.to(bench.device, dtype), text.to(bench.device, dtype))
        yield _row(f"two blocks of {params}", dtype, got, wanted, tolerance)


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _row(name: str, dtype: torch.dtype, got: Tensor, wanted: Tensor, tolerance: float) -> Row:
    error = ((got.cpu().double() - wanted.double()).norm() / wanted.double().norm()).item()
    return measured(f"{name}: {str(dtype).removeprefix('torch.')}", error, most=tolerance)
