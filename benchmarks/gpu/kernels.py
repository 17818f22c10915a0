"""Step 10: the kernels against their plain ways on the same card: errors, times, share of a copy's speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Row, equal, fact, guarded, measured, not_run
from seedvr2 import kernels
from seedvr2.checkpoint.ggml import BLOCKS, dequantize
from seedvr2.kernels.ggml import KINDS
from seedvr2.kernels.switch import failed, has_triton, plain_only

# Relative distance, L2, from the plain way in float32: some roundings of the type, no more.
TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
EPS = 1e-5
GROUPS = 32


@dataclass(frozen=True, slots=True)
class Case:
    """One use of a kernel.

    Attributes:
        run: the kernel, or its plain way, in the type that is computed in.
        errors: of what `run` returned, against what is exact.
        traffic: bytes that have to be read and written.
    """

    run: Callable[[], Tensor]
    errors: Callable[[Tensor], Row]
    traffic: int


@torch.no_grad()
def rows(bench: Bench) -> Iterator[Row]:
    """Norms of the VAE, the transformer's pieces, weights; at last, whether a kernel had to be switched off."""
    yield fact(
        "kernels: Triton", "installed" if has_triton() else "not installed: plain ways are compared with themselves"
    )
    if 3 * prod(bench.scale.activations) * bench.dtype.itemsize > bench.room():
        yield not_run("norm_silu", "the card cannot hold so many activations")
    else:
        for activation in (True, False):
            title = "norm_silu" if activation else "norm alone"
            yield from guarded(title, compare(bench, title, norm(bench, title, activation)))
    for title, make in {"rms_modulate": modulate, "norm_rotate": rotate}.items():
        yield from guarded(title, compare(bench, title, make(bench, title)))
    for kind in sorted(KINDS):
        title = f"{kind} unpacked"
        yield from guarded(title, compare(bench, title, unpack(bench, title, kind)))
    for stored in (torch.float8_e4m3fn, torch.float8_e5m2):
        title = f"{str(stored).removeprefix('torch.')} widened"
        yield from guarded(title, compare(bench, title, widen(bench, title, stored)))
    yield equal("kernels: that failed", ", ".join(sorted(failed())) or "none", "none")


def compare(bench: Bench, title: str, case: Case) -> Iterator[Row]:
    """Errors, then both times, and how near the kernel comes to the speed of a copy."""
    yield case.errors(case.run())
    seconds = bench.seconds(case.run)
    with plain_only():
        plain = bench.seconds(case.run)
    yield measured(f"{title}: time", seconds * 1e3, "ms")
    yield measured(f"{title}: time of the plain way", plain * 1e3, "ms")
    # A copy reads and writes each byte.
    yield measured(f"{title}: share of a copy's speed", 50 * case.traffic / seconds / bench.copy_speed(), "%")


def norm(bench: Bench, title: str, activation: bool) -> Case:
    """Into the frames of a buffer that two more are in front of, as before a convolution."""
    frames, channels, height, width = bench.scale.activations
    x = _noise(bench, frames, height, width, channels).permute(0, 3, 1, 2)
    out = x.new_empty((frames + 2, height, width, channels)).permute(0, 3, 1, 2)[2:]
    weight, bias = _noise(bench, channels).float(), _noise(bench, channels).float()

    def errors(got: Tensor) -> Row:
        # The last frame, where offsets are largest; all of them in float32 would be too much.
        with plain_only():
            exact = kernels.norm_silu(x[-1:].float(), GROUPS, weight, bias, EPS, activation=activation)
        return _distance(bench, title, got[-1:], exact)

    return Case(
        run=lambda: kernels.norm_silu(x, GROUPS, weight, bias, EPS, out, activation=activation),
        errors=errors,
        traffic=3 * x.nbytes,
    )


def modulate(bench: Bench, title: str) -> Case:
    """Before attention and before the MLP."""
    x, shift, scale = _tokens(bench)
    return _case(bench, title, kernels.rms_modulate, (x, shift, scale, EPS), 2 * x.nbytes)


def rotate(bench: Bench, title: str) -> Case:
    """The queries' slice of a projection."""
    config, tokens = bench.scale.dits["3B"], bench.scale.tokens
    x = _noise(bench, tokens, 3, config.heads, config.head_dim)[:, 0]
    # As many angles as an axis each of time, height and width leaves whole.
    angles = _noise(bench, tokens, 3 * (config.head_dim // 6)).float() * 10
    given = (x, _noise(bench, config.head_dim).float(), angles.cos(), angles.sin(), EPS)
    return _case(bench, title, kernels.norm_rotate, given, 2 * x.numel() * x.itemsize + 2 * angles.nbytes)


def unpack(bench: Bench, title: str, kind: str) -> Case:
    """Random bits, among them infinite scales and such as are no numbers."""
    elements, block_bytes = BLOCKS[kind]
    count = prod(bench.scale.matrix) // elements
    blocks = torch.randint(0, 256, (count, block_bytes), dtype=torch.uint8, device=bench.device)

    def run() -> Tensor:
        return dequantize(blocks, kind, bench.dtype)

    return _exact_case(title, run, blocks.nbytes + count * elements * bench.dtype.itemsize)


def widen(bench: Bench, title: str, stored: torch.dtype) -> Case:
    """A weight of 8-bit floats."""
    bits = torch.randint(0, 256, bench.scale.matrix, dtype=torch.uint8, device=bench.device)
    weight = bits.view(stored)
    return _exact_case(title, lambda: kernels.widen(weight, bench.dtype), bits.nbytes * (1 + bench.dtype.itemsize))


def _case(
    bench: Bench, title: str, kernel: Callable[..., Tensor], given: tuple[Tensor | float, ...], traffic: int
) -> Case:
    def errors(got: Tensor) -> Row:
        with plain_only():
            exact = kernel(*(part.float() if isinstance(part, Tensor) else part for part in given))
        return _distance(bench, title, got, exact)

    return Case(lambda: kernel(*given), errors, traffic)


def _exact_case(title: str, run: Callable[[], Tensor], traffic: int) -> Case:
    def errors(got: Tensor) -> Row:
        with plain_only():
            exact = run()
        differing = (got != exact) & ~(got.isnan() & exact.isnan())
        return equal(f"{title}: values that differ", int(differing.sum()), 0)

    return Case(run, errors, traffic)


def _distance(bench: Bench, title: str, got: Tensor, exact: Tensor) -> Row:
    error = ((got.float() - exact).norm() / exact.norm()).item()
    return measured(f"{title}: error", error, most=TOLERANCES[bench.dtype])


def _tokens(bench: Bench) -> tuple[Tensor, Tensor, Tensor]:
    dim = bench.scale.dits["3B"].dim
    return _noise(bench, bench.scale.tokens, dim), _noise(bench, dim).float(), _noise(bench, dim).float()


def _noise(bench: Bench, *shape: int) -> Tensor:
    generator = torch.Generator(bench.device).manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, device=bench.device, dtype=bench.dtype)
