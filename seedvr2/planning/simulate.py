"""Every published model on cards of every size, without a card: `python -m seedvr2.planning.simulate`.

The planner sees a card of that size. Its plan is then run: the pipeline and both networks at their real size, on
tensors without data (`live.py`), with memory that ends where the card's would. If it does, the job is run once more as
the engine would, with the next smaller plan. Colours are corrected by `wavelet`: the others look at the numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from seedvr2.errors import NeverFitsError
from seedvr2.model import Model
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import DiTConfig
from seedvr2.network.vae import OnSlice, VideoVAE
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import Size, Sizes, sizes_of
from seedvr2.pipeline.stream import restore_stream
from seedvr2.planning.card import SimulatedLayer
from seedvr2.planning.count import HALF, use_all, without_numbers
from seedvr2.planning.facts import ModelFacts, facts_of_published
from seedvr2.planning.live import Elsewhere, LiveStorage, counted, dataless
from seedvr2.planning.needs import expansion_bytes, form_bytes
from seedvr2.planning.plan import Plan, Work
from seedvr2.planning.planner import Request, choose, next_smaller
from seedvr2.planning.published import DIT_3B, DIT_7B, VAE

CARDS = (8, 12, 16, 24, 48, 80)
MODELS: dict[str, tuple[DiTConfig, str]] = {
    "3B Q4": (DIT_3B, "Q4_K_M"),
    "3B fp8": (DIT_3B, "fp8_e4m3fn"),
    "3B fp16": (DIT_3B, "fp16"),
    "7B Q4": (DIT_7B, "Q4_K_M"),
    "7B fp8": (DIT_7B, "fp8_e4m3fn"),
    "7B fp16": (DIT_7B, "fp16"),
}
RESOLUTIONS = {"720p": 720, "1080p": 1080, "4K": 2160}
SOURCE = (960, 540)
_GIB = 1 << 30
_TEXT_LENGTH = 58


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job on a card: the plan that ended, its peak in bytes, and how often it was tried again.

    `plan` is None where the job was refused before it started, for the reason `refused`; `ended` is False where memory
    ran out to the last.
    """

    plan: Plan | None
    peak: int = 0
    retries: int = 0
    ended: bool = True
    refused: str = ""


@lru_cache(maxsize=16)
def published_facts(name: str) -> ModelFacts:
    """The facts of one of `MODELS`."""
    config, precision = MODELS[name]
    return facts_of_published(name, config, VAE, precision)


def request_of(name: str, resolution: int, *, picture: bool, source: Size = SOURCE, **options: object) -> Request:
    """A picture or a video of `source` for one of `MODELS`."""
    facts, wishes = published_facts(name), UpscaleOptions.parse({"resolution": resolution, **options})
    sizes = sizes_of(source, wishes, facts.multiple)
    frames = 1 if picture else 500
    work = Work(source, sizes.padded, frames, picture, False, wishes.uniform_batch_size, VAE.temporal_factor)
    return Request(facts, work, wishes)


def run_on(layer: SimulatedLayer, request: Request) -> Outcome:
    """Plan a job for a card and run it there; once more with less if memory runs out."""
    try:
        plan: Plan | None = choose(layer.card(), request)
    except NeverFitsError as error:
        return Outcome(None, refused=str(error))
    for retries in range(2):
        assert plan is not None
        try:
            return Outcome(plan, run(plan, request, layer.limit), retries)
        except torch.OutOfMemoryError:
            smaller = next_smaller(plan, request)
        if smaller is None:
            break
        plan = smaller
    return Outcome(plan, retries=retries, ended=False)


def run(plan: Plan, request: Request, limit: int) -> int:
    """Run two batches, or one picture, as planned. Returns the bytes at the peak, weights included.

    Raises:
        torch.OutOfMemoryError: more than `limit` were alive.
    """
    facts, work = request.facts, request.work
    blocks = 2 * max(facts.blocks) if plan.blocks_to_swap else 0
    # What tensors without data cannot show: weights, and those that are expanded or on their way.
    beside = (
        plan.weights
        + blocks
        + form_bytes(facts.vae_config, request.itemsize)
        + expansion_bytes(facts.stored, facts.largest, request.itemsize, gated=facts.dit.gated_mlp)
    )
    window = min(plan.window, work.frames or plan.window)
    sizes = sizes_of(work.source, request.options, facts.multiple)
    peak = activations(facts.dit, work.source, sizes, window, plan.tile, work.picture, plan.roomy) + beside
    if peak > limit:
        raise torch.OutOfMemoryError(f"CUDA out of memory: {peak} bytes of {limit}.")
    return peak


@lru_cache(maxsize=1024)
def activations(
    config: DiTConfig,
    source: Size,
    sizes: Sizes,
    window: int,
    tile: int | None,
    picture: bool,
    roomy: bool = False,
    limit: int | None = None,
) -> int:
    """Peak bytes of the whole pipeline beside the weights; with a `limit`, memory ends there in the middle.

    Raises:
        torch.OutOfMemoryError: the limit was passed.
    """
    # One block of each kind and shift: they follow one another in the same memory.
    kinds = [shared for shared in (False, True) if shared in config.shared]
    dit, vae = meta_dit(replace(config, shared=tuple(kind for kind in kinds for _ in range(2)))), meta_vae(VAE)
    image = np.zeros((source[1], source[0], 3), np.uint8)
    device = torch.device("cpu")
    with dataless():
        without_numbers(dit)
        without_numbers(vae)
        vae.dtype, vae.away = HALF, Elsewhere
        use_all(vae)
        text = torch.empty(_TEXT_LENGTH, config.text_channels, dtype=HALF)
        settings = RestoreSettings(
            tiling=Plan(tile, window).tiling, noise=lambda _index, shape: torch.empty(shape), roomy=roomy
        )
        restorer = BatchRestorer(Model("simulated", dit, vae, text, device, HALF), settings)
        stream = StreamSettings(sizes=sizes, batch_size=window, color_correction="wavelet")
        with counted(limit) as live:
            vae.encode, vae.decode = (_Once(half, name, vae, live) for half, name in _halves(vae))  # type: ignore
            for _ in restore_stream(range(window if picture else 2 * window), lambda _item: image, restorer, stream):
                pass
    return live.peak


# By half, shape and way: what was taken beyond what is there anyway, and the size, layout and type of the result.
_TAKEN: dict[tuple[object, ...], tuple[int, torch.Size, tuple[int, ...], torch.dtype]] = {}


class _Once:
    """A half of the VAE that runs once for each shape, since tiles of one shape take the same."""

    def __init__(self, half: Callable[..., Tensor], name: str, vae: VideoVAE, live: LiveStorage) -> None:
        self._half, self._name, self._vae, self._live = half, name, vae, live

    def __call__(self, x: Tensor, on_slice: OnSlice | None = None) -> Tensor:
        key = (self._name, x.shape, self._vae.roomy)
        if key not in _TAKEN:
            with self._live.apart() as beyond:
                result = self._half(x)
            _TAKEN[key] = beyond[0], result.shape, result.stride(), result.dtype
        else:
            taken, shape, stride, dtype = _TAKEN[key]
            self._live.note(taken)
            result = torch.empty_strided(shape, stride, dtype=dtype)
        if on_slice is not None:
            on_slice(x.shape[1] if self._name == "encode" else len(x))
        return result


def _halves(vae: VideoVAE) -> Iterator[tuple[Callable[..., Tensor], str]]:
    yield vae.encode, "encode"
    yield vae.decode, "decode"


def table() -> Iterator[str]:
    """The table for docs/gpu.md, a line at a time; "←" is what the card before does."""
    yield "| model | job | " + " | ".join(f"{card} GB" for card in CARDS) + " |"
    yield "|---" * (len(CARDS) + 2) + "|"
    for name in MODELS:
        for picture in (True, False):
            for size, resolution in RESOLUTIONS.items():
                request = request_of(name, resolution, picture=picture)
                cells = [cell(run_on(SimulatedLayer(card), request)) for card in CARDS]
                shown = [each if index == 0 or each != cells[index - 1] else "←" for index, each in enumerate(cells)]
                yield f"| {name} | {'picture' if picture else 'video'} {size} | " + " | ".join(shown) + " |"


def cell(outcome: Outcome) -> str:
    """One outcome in a few characters: tiles, frames of a batch, blocks in main memory, GiB at the peak, retries."""
    if outcome.plan is None:
        return "refused"
    if not outcome.ended:
        return "**out of memory**"
    plan = outcome.plan
    parts = [str(plan.tile or "whole")]
    parts += [f"x{plan.window}"] if plan.window > 1 else []
    parts += [f"−{plan.blocks_to_swap}"] if plan.blocks_to_swap else []
    parts += ["turns"] if plan.in_turn else []
    parts += ["roomy"] if plan.roomy else []
    retried = f", {outcome.retries} retry" if outcome.retries else ""
    return f"{' '.join(parts)}: {outcome.peak / _GIB:.1f} of {plan.need / _GIB:.1f}{retried}"


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for line in table():
        print(line, flush=True)


if __name__ == "__main__":
    main()
