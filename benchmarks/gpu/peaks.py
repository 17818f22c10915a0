"""Step 4: peaks of memory of the networks beside their weights and inputs, and what the engine expected of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.estimates import transformer_bytes, vae_bytes
from benchmarks.gpu.meter import peak_of
from benchmarks.gpu.rows import GIB, Row, guarded, measured, not_run
from benchmarks.gpu.weights import TEXT_LENGTH, TOO_LARGE, model_bytes, random_dit, random_vae
from seedvr2.model import release_memory
from seedvr2.network.dit import DiT
from seedvr2.network.vae import VideoVAE


def rows(bench: Bench) -> Iterator[Row]:
    """The VAE at tiles and whole frames, then the transformer at each precision."""
    yield from guarded("VAE", vae_rows(bench))
    for precision in bench.scale.precisions:
        yield from guarded(f"3B {precision}", transformer_rows(bench, precision))


def vae_rows(bench: Bench) -> Iterator[Row]:
    """Every clip through the VAE, the lean way and, where there is something to keep, the roomy one."""
    vae = random_vae(bench.scale.vae, bench.device, bench.vae_dtype)
    edge, frames = 8 * bench.scale.vae.spatial_factor, 1 + 2 * bench.scale.vae.slice_frames
    with torch.no_grad():
        # What is made of the weights at their first use stays, and is no clip's.
        vae.decode(vae.encode(torch.zeros(3, frames, edge, edge, device=bench.device, dtype=vae.dtype)))
    for name, size, frames in bench.scale.clips:
        for vae.roomy in (False, True) if frames > 1 else (False,):
            title = f"VAE {name} × {frames}{' roomy' if vae.roomy else ''}"
            yield from guarded(title, clip(bench, vae, title, size, frames))


def transformer_rows(bench: Bench, precision: str) -> Iterator[Row]:
    """Every length through the transformer at one precision."""
    if model_bytes(bench, "3B", precision) > bench.room():
        yield not_run(f"3B {precision}", TOO_LARGE)
        return
    dit = random_dit(bench.scale.dits["3B"], precision, bench.device, bench.dtype)
    for frames in bench.scale.token_frames:
        title = f"3B {precision} × {frames}"
        yield from guarded(title, transformer(bench, dit, title, frames))


def clip(bench: Bench, vae: VideoVAE, title: str, size: tuple[int, int], frames: int) -> Iterator[Row]:
    """Encoding and decoding a clip."""
    estimates = vae_bytes(vae.config, size, frames, vae.dtype, roomy=vae.roomy)
    if (need := max(estimates.values())) > bench.room():
        yield not_run(title, _too_large(bench, need))
        return
    width, height = size
    shape = (3, frames, height, width)
    yield from _stage(bench, f"{title}: encode", estimates.get("encode"), shape, vae.dtype, vae.encode)
    factor, length = vae.config.spatial_factor, (frames - 1) // vae.config.temporal_factor + 1
    shape = (length, height // factor, width // factor, vae.config.latent_channels)
    yield from _stage(bench, f"{title}: decode", estimates.get("decode"), shape, vae.dtype, vae.decode)


def transformer(bench: Bench, dit: DiT, title: str, frames: int) -> Iterator[Row]:
    """One forward over a clip."""
    vae, (width, height) = bench.scale.vae, bench.scale.token_size
    grid = (
        (frames - 1) // vae.temporal_factor + 1,
        height // vae.spatial_factor,
        width // vae.spatial_factor,
    )
    text = torch.zeros(TEXT_LENGTH, dit.config.text_channels, device=bench.device, dtype=bench.dtype)
    estimate = transformer_bytes(dit.config, grid, bench.dtype)
    if estimate > bench.room():
        yield not_run(title, _too_large(bench, estimate))
        return
    shape = (*grid, dit.config.input_channels)
    yield from _stage(bench, f"{title}: restore", estimate, shape, bench.dtype, lambda latent: dit(latent, text))


def _too_large(bench: Bench, need: int) -> str:
    return f"the engine expects {need / GIB:.1f} GiB, and {bench.room() / GIB:.1f} are left"


def _stage(
    bench: Bench,
    name: str,
    estimate: int | None,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    work: Callable[[Tensor], object],
) -> Iterator[Row]:
    """The peak of one stage over an input of that shape, and how the engine's estimate stands to it."""
    x = torch.zeros(shape, device=bench.device, dtype=dtype)
    try:
        with torch.no_grad(), peak_of(bench.device) as peak:
            work(x)
    finally:
        release_memory()
    yield measured(f"{name}, allocated", peak.allocated / GIB, "GiB")
    yield measured(f"{name}, reserved", peak.reserved / GIB, "GiB")
    if estimate is not None:
        least, most = bench.scale.estimate
        yield measured(f"{name}, estimate over peak", estimate / peak.allocated, "×", least=least, most=most)
