"""What learns when, for how long, from what and how fast: the recipe's phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from training.samples import Setting

WARMUP_STEPS = 50


@dataclass(frozen=True, slots=True)
class Phase:
    """So many steps, falling linearly from the first to the last learning rate, of what learns in them.

    The rates are those of AdamW; Muon, for the matrices, takes twice as much. The transformer, whose
    gradients take as long as the decoder, learns in one of so many steps. Where it rests, examples can be shown more
    than once.
    """

    name: str
    steps: int
    setting: Setting
    transformer: tuple[float, float] | None = None
    decoder: tuple[float, float] | None = None
    transformer_every: int = 1
    times: int = 1


PHASES = (
    Phase("hints", 1_500, Setting((8, 96)), transformer=(1e-3, 0.0)),
    Phase("decoder", 3_000, Setting((4, 96)), decoder=(1e-3, 1e-3)),
    Phase(
        "joint",
        17_000,
        Setting((2, 144), (2, 96), clip_share=0.1),
        transformer=(5e-4, 0.0),
        decoder=(1e-3, 5e-4),
        transformer_every=2,
    ),
    Phase("last", 55_000, Setting((4, 96)), decoder=(5e-4, 0.0), times=4),
    Phase(
        "polish",
        24_000,
        Setting((2, 160), (2, 96), clip_share=0.07),
        transformer=(4e-4, 0.0),
        decoder=(5e-4, 0.0),
        transformer_every=2,
    ),
    Phase(
        "motion",
        5_200,
        Setting((2, 160), (2, 96), clip_share=0.2),
        transformer=(3e-4, 0.0),
        decoder=(3e-4, 0.0),
        transformer_every=2,
    ),
)


def phases_from(begin: str, steps: Mapping[str, int]) -> tuple[Phase, ...]:
    """The recipe with those numbers of steps for the phases of those names, and none for the phases before `begin`."""
    names = [phase.name for phase in PHASES]
    first = names.index(begin)
    return tuple(
        replace(phase, steps=steps.get(phase.name, phase.steps) if index >= first else 0)
        for index, phase in enumerate(PHASES)
    )


def rate_at(step: int, steps: int, ends: tuple[float, float]) -> float:
    """The learning rate: a short warm-up, then linearly from the first of `ends` to the last."""
    first, last = ends
    return min(1.0, (step + 1) / WARMUP_STEPS) * (first + (last - first) * step / steps)
