"""One network in a process of its own, which runs each time a line comes in; `networks.py` is at the other end.

    python -m benchmarks.worker STAGE WEIGHTS FRAMES HEIGHT WIDTH [--dtype …] [--no-keep]

Answers with lines of JSON: what it is once it is ready, the seconds of each run, and the peak of memory and those of
the processor at the end of the input. Of the engine it uses only what every version has, so it runs with older ones
too (`against.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import seedvr2
from benchmarks.machine import forget_peak, peak_mb, read_through
from benchmarks.peaks import better, measure_peaks
from seedvr2.checkpoint import PackedTensor, open_checkpoint
from seedvr2.heap import keep_freed_blocks
from seedvr2.model import choose_dtype
from seedvr2.network.build import load_dit, load_vae

STAGES = ("encode", "decode", "transformer")
# A whole clip would take too long to warm up with: latents along each edge.
_SMALL = 16

Run = Callable[[Tensor], Tensor]


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.keep:
        keep_freed_blocks()
    dtype = choose_dtype(arguments.dtype, torch.device("cpu"))
    peaks = measure_peaks(dtype)
    read_through(arguments.weights)
    forget_peak()
    started = time.perf_counter()
    run, shape = _network(arguments.stage, arguments.weights, dtype, arguments.size)
    loaded = time.perf_counter() - started
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        given = torch.randn(shape, generator=generator).clamp_(-1, 1).to(dtype)
        run(_corner(given, arguments.stage))
        _say(
            engine=str(Path(seedvr2.__file__).parent),
            dtype=str(dtype).removeprefix("torch."),
            load_s=round(loaded, 3),
            threads=torch.get_num_threads(),
        )
        for _ in sys.stdin:
            started = time.perf_counter()
            run(given)
            _say(seconds=time.perf_counter() - started)
    _say(peak_mb=round(peak_mb()), **better(peaks, measure_peaks(dtype)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("weights", type=Path)
    parser.add_argument("size", type=int, nargs=3, metavar="N", help="frames, height and width of the clip in pixels")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="give freed memory back at once")
    return parser


def _network(stage: str, weights: Path, dtype: torch.dtype, size: list[int]) -> tuple[Run, tuple[int, ...]]:
    """What is timed, and the shape of what it is given, for a clip of `size` (frames, height, width)."""
    checkpoint = open_checkpoint(weights)
    if stage == "transformer":
        dit = load_dit(checkpoint, dtype=dtype)
        text = checkpoint.tensor("positive_conditioning")
        assert not isinstance(text, PackedTensor)
        words = text.to(dtype)
        return lambda x: dit(x, words), (*_latent(size, 4, 8), dit.config.input_channels)
    vae = load_vae(checkpoint, dtype=dtype)
    if stage == "encode":
        return vae.encode, (3, *size)
    return vae.decode, (
        *_latent(size, vae.config.temporal_factor, vae.config.spatial_factor),
        vae.config.latent_channels,
    )


def _latent(size: list[int], temporal: int, spatial: int) -> tuple[int, int, int]:
    """(T, H, W) of the latent clip, by the frames and pixels of a latent."""
    return (size[0] - 1) // temporal + 1, size[1] // spatial, size[2] // spatial


def _corner(x: Tensor, stage: str) -> Tensor:
    """One latent frame of it, and few latents of that."""
    edge = _SMALL * (8 if stage == "encode" else 1)
    return x[:, :1, :edge, :edge] if stage == "encode" else x[:1, :edge, :edge]


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
