"""The planner: from a card, a model and a job to the plan that fits. Pure: it looks at nothing but its arguments.

It walks down, and takes the first plan whose need is within what is usable. What costs nothing that one could see
comes first, and of the VAE first the way that keeps more on the card, then the one that takes less: whole frames, then
tiles of 1024, 768 and 512 pixels; shorter batches, down to one slice of the VAE; blocks of the transformer in main
memory; the VAE there too while the transformer works. Where all that is not enough, tiles of 384 and 256 pixels, each
with ever more blocks in main memory, and at last frame by frame. Weights are never made coarser than their file is:
that would be another model, and nobody asked for one.

`vae_tiling` on or off and `blocks_to_swap` force their part, `vae_quality` and `batch_size` are the most that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

from seedvr2.errors import MemoryTakenError, NeverFitsError, OutOfMemoryError
from seedvr2.options import UpscaleOptions
from seedvr2.planning.card import Card
from seedvr2.planning.facts import ModelFacts
from seedvr2.planning.memory import TILES
from seedvr2.planning.plan import Plan, Work, waiting_bytes, with_need
from seedvr2.units import gigabytes

# For cuDNN's workspace and for fragments between blocks: of the need, and at the least.
_MARGIN, _LEAST_MARGIN = 0.06, 256 << 20
# The retry should take this much less than what failed, or it would fail as well.
_STEP_DOWN = 0.9
_SMALL_TILES = (384, 256)
_SWAP_SHARES = (0.25, 0.5, 0.75, 1.0)
_LEAST_WINDOW = 5
# A model is loaded before a job is known: so much is left for the job.
_ROOM_TO_WORK = 2 << 30


class Past(Protocol):
    """What is remembered of this job on this card."""

    def worked(self) -> Plan | None:
        """The plan that ended well."""
        ...

    def failed(self, plan: Plan) -> bool:
        """Whether memory ran out with these settings."""
        ...

    def peak(self, plan: Plan) -> int:
        """What was measured with these settings, in bytes; 0 if nothing was."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A job and the model that runs it.

    Attributes:
        itemsize: bytes of the type that the networks compute in.
        swappable: whether the device is another place than main memory.
    """

    facts: ModelFacts
    work: Work
    options: UpscaleOptions
    itemsize: int = 2
    swappable: bool = True


def choose(card: Card, request: Request, past: Past | None = None, spare: int | None = None) -> Plan:
    """The plan for a job on a card as it is now.

    Args:
        spare: bytes of main memory for what waits there; as much as is needed if None, or if no plan does with them.

    Raises:
        NeverFitsError: not even with nothing else on the card; the message says what would fit.
        MemoryTakenError: not now, because of what else is on the card.
    """
    reasons: list[str] = []
    if past and (known := past.worked()) is not None:
        again = _measured(with_need(known, request.facts, request.work, request.itemsize), past)
        fits = with_margin(again.need) <= card.usable and _waits_within(again, request, spare)
        if fits and known.settings in [plan.settings for plan in walk(request)]:
            return replace(again, reasons=(f"{_capital(again.words())}: so it ended well on this card before.",))
    for plan in walk(request):
        if past and past.failed(plan):
            reasons.append(f"Not {plan.words()}: memory ran out with that on this card before.")
            continue
        if not _waits_within(plan, request, spare):
            reasons.append(f"Not {plan.words()}: too much would wait in main memory.")
            continue
        plan = _measured(plan, past)
        if with_margin(plan.need) <= card.usable:
            need = f"{gigabytes(plan.need)} of {gigabytes(card.usable)}"
            chosen = (f"{_capital(plan.words())}: needs {need}.", *_forced(request.options))
            return replace(plan, reasons=(*reasons, *chosen))
        reasons.append(f"Not {plan.words()}: needs {gigabytes(plan.need)} of {gigabytes(card.usable)}.")
    if spare is not None:
        return choose(card, request, past)
    raise _refusal(card, request)


def next_smaller(plan: Plan, request: Request) -> Plan | None:
    """The first plan of the walk that takes clearly less than `plan`, which failed, and in no respect more.

    Where none takes clearly less, the one that takes the least, if that is less at all; None where nothing is.
    """
    failed = with_need(plan, request.facts, request.work, request.itemsize).need
    smaller = [each for each in walk(request) if each.need < failed and each.within(plan)]
    if not smaller:
        return None
    clearly = (each for each in smaller if each.need <= failed * _STEP_DOWN)
    chosen = next(clearly, min(smaller, key=lambda each: each.need))
    return replace(chosen, reasons=(f"{_capital(chosen.words())}: memory ran out with {plan.words()}.",))


def swap_to_load(card: Card, facts: ModelFacts) -> int:
    """The fewest blocks that must wait in main memory for a model to be on a card with room for a small tile."""
    blocks = len(facts.blocks)
    for share in (0.0, *_SWAP_SHARES):
        swap = round(blocks * share)
        if facts.weights - sum(facts.blocks[:swap]) + _ROOM_TO_WORK <= card.usable:
            return swap
    return blocks


def walk(request: Request) -> Iterator[Plan]:
    """Every plan that the options allow, in the order in which they are tried, each once."""
    seen: list[dict[str, object]] = []
    windows, tiles, swaps = _windows(request), _tiles(request), _residencies(request)
    small_tiles = [*tiles, *(_SMALL_TILES if request.options.vae_tiling == "auto" else ())]
    ways = [
        *((tile, window, swap) for swap, window, tile in product(swaps, windows, tiles)),
        *((tile, window, swap) for window, tile, swap in product(windows, small_tiles, swaps)),
        *((tile, window, swap) for window, tile, swap in product([*windows, 1], small_tiles, swaps)),
    ]
    for tile, window, (swap, in_turn) in ways:
        whole = tile is None or tile >= max(request.work.size)
        lean = Plan(None if whole else tile, window, _overlap(request, window), blocks_to_swap=swap, in_turn=in_turn)
        if lean.settings in seen:
            continue
        seen.append(lean.settings)
        lean, roomy = (
            with_need(plan, request.facts, request.work, request.itemsize) for plan in (lean, replace(lean, roomy=True))
        )
        # Of a picture there is nothing to keep.
        yield from (roomy, lean) if request.swappable and roomy.need > lean.need else (lean,)


def with_margin(need: int) -> int:
    """What must be usable for a need that was counted."""
    return need + max(int(need * _MARGIN), _LEAST_MARGIN)


def _waits_within(plan: Plan, request: Request, spare: int | None) -> bool:
    return spare is None or waiting_bytes(plan, request.facts, request.work, request.itemsize) <= spare


def _measured(plan: Plan, past: Past | None) -> Plan:
    return replace(plan, need=max(plan.need, past.peak(plan))) if past else plan


def _tiles(request: Request) -> list[int | None]:
    options = request.options
    edges = [TILES[quality][0] for quality in TILES][: list(TILES).index(options.vae_quality) + 1][::-1]
    if options.vae_tiling == "off":
        return [None]
    return [edges[0]] if options.vae_tiling == "on" else [None, *edges]


def _windows(request: Request) -> list[int]:
    """Lengths of a batch: as asked for, then about half of it, 4n + 1 each, down to one slice of the VAE."""
    if request.work.picture:
        return [1]
    windows = [request.options.batch_size]
    while (half := 4 * ((windows[-1] - 1) // 8) + 1) >= _LEAST_WINDOW:
        windows.append(half)
    return windows


def _residencies(request: Request) -> list[tuple[int, bool]]:
    blocks = len(request.facts.blocks)
    asked = min(request.options.blocks_to_swap, blocks)
    if not request.swappable:
        return [(asked, False)]
    if asked:
        return [(asked, False), (asked, True)] if asked == blocks else [(asked, False)]
    return [(0, False), *((max(round(blocks * share), 1), False) for share in _SWAP_SHARES), (blocks, True)]


def _overlap(request: Request, window: int) -> int:
    """The overlap as asked for; in a shorter batch no more than half of it, or hardly a frame would be new."""
    if request.work.picture:
        return 0
    asked = request.options.temporal_overlap
    return asked if window == request.options.batch_size else min(asked, window // 2)


def _forced(options: UpscaleOptions) -> Iterator[str]:
    default = UpscaleOptions()
    for name in ("vae_tiling", "vae_quality", "blocks_to_swap", "batch_size"):
        if getattr(options, name) != getattr(default, name):
            yield f"{name} = {getattr(options, name)}, as asked for."


def _refusal(card: Card, request: Request) -> OutOfMemoryError:
    least = min(walk(request), key=lambda plan: plan.need)
    width, height = request.work.size
    what = f"A result of {width} x {height} pixels with {request.facts.name}"
    if with_margin(least.need) <= card.capacity:
        return MemoryTakenError(
            f"{what} takes {gigabytes(with_margin(least.need))} on {card.name} at the least, and other programs leave "
            f"{gigabytes(card.usable)}; try again when they have ended."
        )
    return NeverFitsError(
        f"{what} takes {gigabytes(with_margin(least.need))} at the least, and {card.name} has "
        f"{gigabytes(card.capacity)} for it; {_advice(card, request)}."
    )


def _advice(card: Card, request: Request) -> str:
    """The smallest change that would make it fit."""

    def fits(changed: Request) -> bool:
        return any(with_margin(plan.need) <= card.capacity for plan in walk(changed))

    options = request.options
    free = replace(request, options=replace(options, vae_tiling="auto", vae_quality="high", blocks_to_swap=0))
    if fits(free):
        return "leave vae_tiling, vae_quality and blocks_to_swap at their defaults"
    scale = _largest(lambda n: fits(_scaled(free, n / 64)), 63)
    if scale:
        asked = options.short_edge(*request.work.source)
        return f"use resolution = {max(int(asked * scale / 64) // 8 * 8, 16)} or less{options.instead}"
    return "use a smaller model, or a source with fewer pixels"


def _scaled(request: Request, share: float) -> Request:
    width, height = (max(int(edge * share) // 16 * 16, 16) for edge in request.work.size)
    return replace(request, work=replace(request.work, size=(width, height)))


def _largest(fits: Callable[[int], bool], most: int) -> int | None:
    """The largest number from 0 to `most` that fits, or None."""
    if most < 0 or not fits(0):
        return None
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
