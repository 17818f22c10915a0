"""What a job would take, as `Executor.foresee` answers it, from what the engine says. The engine is imported late."""

from __future__ import annotations

import importlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from daemon.jobs.job import Media
from daemon.jobs.workload import output_size
from seedvr2.options import UpscaleOptions

if TYPE_CHECKING:
    from seedvr2.media import MediaInfo
    from seedvr2.planning.forecast import Forecast

UNKNOWN: dict[str, Any] = {
    "model": None, "frames_together": None, "memory_bytes": None, "weights_bytes": None, "memory_free_bytes": None,
    "seconds": None, "fits": None, "why": None, "reasons": [],
}  # fmt: skip


def facts_of(media: Media) -> MediaInfo:
    """What the engine plans by, of a source that was looked into before."""
    engine: Any = importlib.import_module("seedvr2.media")
    info: MediaInfo = engine.MediaInfo(
        kind=media.kind,
        width=media.width,
        height=media.height,
        frames=media.frames,
        fps=Fraction(media.fps).limit_denominator(100_000) if media.fps else None,
        duration_s=media.duration_s,
        has_alpha=media.alpha,
        bit_depth=media.bit_depth,
        codec="",
        format="",
        animation="gif" in media.formats,
    )
    return info


def disk_of(media: Media, options: UpscaleOptions, suffix: str, size: int) -> dict[str, int]:
    """What the result of a source of `size` bytes takes of the disk."""
    disk: Any = importlib.import_module("seedvr2.planning.disk")
    frames = max(media.frames, 1)
    need = disk.disk_need(facts_of(media), output_size(media, options), suffix, frames, size, options.wish)
    # Its segments and the joined video are there at the same time.
    least = need.least * 2 if need.peak > need.result else need.least
    return {"result_bytes": need.result, "disk_bytes": need.peak, "least_bytes": least}


def memory_of(found: Forecast) -> dict[str, Any]:
    """What the engine says of a job that it would run."""
    return {
        "model": found.model,
        "frames_together": found.batch_frames,
        "memory_bytes": found.peak_bytes,
        "weights_bytes": found.weights_bytes,
        "memory_free_bytes": found.free_bytes,
        "seconds": found.seconds,
        "fits": True,
        "reasons": list(found.reasons),
    }
