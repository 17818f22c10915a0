"""How a plan comes to be frozen: what is known of the job at once, and what its frames have to be looked at for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seedvr2.errors import MediaError
from seedvr2.media.failures import reading
from seedvr2.media.opening import output_suffix
from seedvr2.media.source import Source
from seedvr2.media.videos.encoders import MUXERS
from seedvr2.media.videos.frame_coder import encoder_identity, encoder_of
from seedvr2.media.videos.result_file import ResultFile
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.network.reach import Reach
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.latent_windows import grid_for
from seedvr2.pipeline.sizes import Size
from seedvr2.planning.plan import Plan
from seedvr2.segments.cutting import Grid, Segment, divide
from seedvr2.segments.frozen import FrozenPlan, SourceMark
from seedvr2.segments.shots import Scan, scan


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a result depends on beside its source, its options and the plan; as in `FrozenPlan`.

    `vae`: how far the VAE looks in time, by which it is known what a part of a shot needs.
    """

    engine: str
    models: tuple[tuple[str, str], ...]
    device: str
    dtype: str
    threads: int
    size: Size
    vae: Reach


def unmeasured(
    clip: Source,
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
        encoder=encoding(clip, options, suffix, circumstances.size),
        source=mark,
        size=circumstances.size,
        frames=0,
        segments=(),
        grid=grid_for(options, settings.window, settings.overlap, circumstances.vae),
    )


def encoding(clip: Source, options: UpscaleOptions, suffix: str, size: Size) -> Mapping[str, Any]:
    """All that decides about what the frames of a video are coded to; empty for a picture. For JSON."""
    return encoder_identity(encoder_of(suffix, clip, size, options.wish)) if suffix in MUXERS else {}


def measured(plan: FrozenPlan, known: Scan, most: int) -> FrozenPlan:
    """That plan with its segments. `known`: all shots of the source. `most`: frames of a segment."""
    options, settings = plan.options, plan.settings
    shots = known.shots if options.shots == "auto" else (0,)
    grid = plan.grid or Grid(settings.window, settings.overlap, options.prepend_frames)
    segments = tuple(divide(shots, known.frames, max(most, settings.window), grid))
    return replace(plan, frames=known.frames, segments=segments, damaged=known.damaged, entries=tuple(known.entries))


def undivided(plan: FrozenPlan, frames: int) -> FrozenPlan:
    """That plan with one segment, as of a picture: its result is made as a whole."""
    return replace(plan, frames=frames, grid=None, segments=(Segment(0, frames, 0, 0, ()),))


def freeze(
    clip: Source,
    options: UpscaleOptions,
    circumstances: Circumstances,
    settings: Plan,
    most: int,
    report: Callable[[], None],
) -> FrozenPlan:
    """The plan of a job that has no folder of its own yet.

    Args:
        settings: of the machine. most: frames of a segment. report: called now and then; may raise.

    Raises:
        OptionError: the format cannot hold the source. MediaError: it cannot be decoded, or not be made a result of.
    """
    suffix = output_suffix(clip.info, options)
    with reading(clip.path):
        mark = SourceMark.of(clip.path)
    plan = unmeasured(clip, options, suffix, circumstances, settings, mark)
    if not isinstance(clip, VideoSource):
        return undivided(plan, clip.info.frames or 1)
    # What cannot work fails now and not after hours.
    with TemporaryDirectory() as folder:
        ResultFile(Path(folder) / f"result{suffix}", suffix, clip, *plan.size, options.wish).abort()
    known = scan(clip, on_progress=lambda _scan: report())
    if not known.frames:
        raise MediaError(f"{clip.path.name} has no frames that can be decoded; check that it is whole and undamaged.")
    return measured(plan, known, most)
