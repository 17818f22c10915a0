"""How a plan comes to be frozen: what is known of the job at once, and what its frames have to be looked at for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seedvr2.media.videos.frame_coder import encoder_identity, encoder_of
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.sizes import Size
from seedvr2.planning.plan import Plan
from seedvr2.segments.cutting import Grid, divide
from seedvr2.segments.frozen import FrozenPlan, SourceMark
from seedvr2.segments.shots import Scan


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a result depends on beside its source, its options and the plan; as in `FrozenPlan`."""

    engine: str
    models: tuple[tuple[str, str], ...]
    device: str
    dtype: str
    threads: int
    size: Size


def unmeasured(
    clip: VideoSource,
    options: UpscaleOptions,
    suffix: str,
    circumstances: Circumstances,
    settings: Plan,
    mark: SourceMark,
) -> FrozenPlan:
    """The plan of a job whose frames have not been counted: without segments.

    Args:
        clip: the source, which has that `mark`. suffix: of the result. settings: of the machine.
    """
    return FrozenPlan(
        engine=circumstances.engine,
        models=circumstances.models,
        device=circumstances.device,
        dtype=circumstances.dtype,
        threads=circumstances.threads,
        settings=settings,
        options=options,
        suffix=suffix,
        encoder=encoder_identity(encoder_of(suffix, clip, options.video_codec)),
        source=mark,
        size=circumstances.size,
        frames=0,
        segments=(),
    )


def measured(plan: FrozenPlan, known: Scan, most: int) -> FrozenPlan:
    """That plan with its segments. `known`: all shots of the source. `most`: frames of a segment."""
    options, settings = plan.options, plan.settings
    shots = known.shots if options.shots == "auto" else (0,)
    grid = Grid(settings.window, settings.overlap, options.prepend_frames)
    segments = tuple(divide(shots, known.frames, max(most, settings.window), grid))
    return replace(plan, frames=known.frames, segments=segments)
