"""What a job on the processor takes at its peak, and whether this machine can give it: asked before anything runs.

It is the frames that count here: each is kept as floating-point numbers at the source's size and at the result's, more
than once. All factors are measured with the embedded model, as the peak of a process over that of an idle one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import torch

from seedvr2.errors import MemoryTakenError, NeverFitsError, OutOfMemoryError
from seedvr2.media import MediaInfo
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import pad_indices
from seedvr2.pipeline.sizes import Sizes, sizes_of
from seedvr2.planning import host_memory
from seedvr2.planning.memory import TILES, decode_bytes, restore_bytes
from seedvr2.segments.detector import LOOKAHEAD
from seedvr2.units import gigabytes

# Bytes per pixel and frame of three channels. Of the source: as it was decoded, and twice as float32 while a batch is
# put together.
_SOURCE = 28
# Of a frame that waits until it is known whether a shot begins with it: as it was decoded.
_WAITING = 3
# Of the result: resized, padded, normalised and restored, all as float32, and the integers and the file made of it.
_RESULT = 64
# The networks really take this share of what `memory.py` counts for them.
_RESTORE_SHARE, _DECODE_SHARE = 0.85, 0.9
# From the second batch on, the one before is still being blended and coloured.
_STREAM = 1.25
# A job is called impossible only if this share of its need is more than there is: measurements differ by as much.
_CERTAIN = 0.8


@dataclass(frozen=True, slots=True)
class JobSize:
    """What the memory of a job depends on.

    Attributes:
        tile: edge of the VAE's tiles in pixels, or None for whole frames.
    """

    info: MediaInfo
    sizes: Sizes
    batch: int
    tile: int | None
    dit: DiTConfig
    vae: VAEConfig
    dtype: torch.dtype

    def frames(self) -> int:
        """Bytes of the frames at the peak, beside the networks."""
        channels = 4 / 3 if self.info.has_alpha else 1
        source, result = self.info.width * self.info.height, prod(self.sizes.padded)
        waiting = LOOKAHEAD * source * _WAITING if self.info.kind == "video" else 0
        return int((self.batch * (source * _SOURCE + result * _RESULT) + waiting) * channels)

    def total(self) -> int:
        """Bytes in all, beside the weights."""
        width, height = self.sizes.padded
        frames = len(pad_indices(self.batch, self.batch, self.vae.temporal_factor))
        latents = (frames - 1) // self.vae.temporal_factor + 1
        tokens = latents * width * height // (self.vae.spatial_factor**2 * prod(self.dit.patch))
        edge = self.tile or max(width, height)
        decoding = decode_bytes(self.vae, min(width, edge), min(height, edge), frames, self.dtype) * _DECODE_SHARE
        need = self.frames() + max(decoding, restore_bytes(self.dit, tokens, self.dtype) * _RESTORE_SHARE)
        streamed = self.info.kind == "video" and (self.info.frames or self.batch + 1) > self.batch
        return int(need * (_STREAM if streamed else 1))

    def least(self) -> JobSize:
        """The same result with the least memory: frame by frame, in the smallest tiles."""
        return replace(self, batch=1, tile=TILES["low"][0])


def check_job(job: JobSize, options: UpscaleOptions, multiple: int, held: int = 0) -> None:
    """Refuse a job that this machine could not hold.

    Args:
        held: bytes that count as free, since this process will have given them back.

    Raises:
        NeverFitsError: not even frame by frame and with nothing else running; the message says what would fit.
        MemoryTakenError: not now. OutOfMemoryError: not as it is asked for.
    """
    most, now = host_memory.capacity() - host_memory.OWN, host_memory.obtainable() + held
    if job.total() <= now:
        return
    width, height = job.sizes.output
    what = f"A result of {width} x {height} pixels"
    least = job.least()
    if least.total() * _CERTAIN > most:

        def fits(resolution: int) -> bool:
            info = job.info
            asked = options.with_resolution(resolution)
            sizes = sizes_of((info.width, info.height), asked, multiple)
            return replace(least, sizes=sizes).total() <= most

        raise NeverFitsError(
            f"{what} takes {gigabytes(least.total())} of memory at the least, and this machine has {gigabytes(most)} "
            f"for it; {_advice(fits, options, job.info)}."
        )
    needs = f"{what} takes {gigabytes(job.total())} of memory, and {gigabytes(now)} are free"
    if least.total() <= now:
        raise OutOfMemoryError(f"{needs}; use a smaller batch_size, or vae_tiling = on with vae_quality = low.")
    # Between the two, measurements differ too much to wait for it.
    kind = MemoryTakenError if least.total() <= most else OutOfMemoryError
    raise kind(f"{needs}; use a smaller resolution{options.instead}, or try again when less is running.")


def _advice(fits: Callable[[int], bool], options: UpscaleOptions, info: MediaInfo) -> str:
    low, high = 16, options.short_edge(info.width, info.height)
    if not fits(low):
        return "scale the source down first"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    # A multiple of 8 is easier to remember, and 16 the least that there is.
    return f"use resolution = {max(low // 8 * 8, 16)} or less{options.instead}"
