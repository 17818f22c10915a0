"""From options and a plan to the settings of the pipeline, and what is to be said about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from seedvr2.media import MediaInfo
from seedvr2.model import Model
from seedvr2.options import BY_NAME, MAX_EDGE, UpscaleOptions
from seedvr2.pipeline.batching import effective_overlap
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.overlap import depth
from seedvr2.pipeline.restore import RestoreSettings
from seedvr2.pipeline.sizes import Size, Sizes, sizes_of
from seedvr2.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The settings of the pipeline for one source."""

    sizes: Sizes
    stream: StreamSettings
    restore: RestoreSettings
    step: int

    @classmethod
    def prepare(cls, model: Model, info: MediaInfo, options: UpscaleOptions, plan: Plan) -> JobSettings:
        """The settings of a job that runs as `plan` says."""
        sizes = sizes_of((info.width, info.height), options, model.multiple)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.tf32
        picture = info.kind == "picture"
        stream = StreamSettings(
            sizes=sizes,
            batch_size=plan.window,
            overlap=plan.overlap,
            prepend=0 if picture else options.prepend_frames,
            uniform=options.uniform_batch_size and not picture,
            color_correction=options.color_correction,
            shots=options.shots == "auto" and not picture,
            strength=options.strength,
            softness=options.softness,
        )
        restore = RestoreSettings(
            seed=options.seed,
            input_noise_scale=options.input_noise_scale,
            latent_noise_scale=options.latent_noise_scale,
            tiling=plan.tiling,
            in_turn=plan.in_turn,
            roomy=plan.roomy,
        )
        return cls(sizes, stream, restore, plan.window - effective_overlap(plan.window, plan.overlap))

    def reading_depth(self, info: MediaInfo) -> int:
        """How many frames of the source may wait for their batch."""
        return depth(frame_bytes(info, (info.width, info.height), info.bit_depth), self.step)

    def writing_depth(self, info: MediaInfo, bits: int) -> int:
        """How many frames of the result may wait to be written, with so many bits of a sample."""
        return depth(frame_bytes(info, self.sizes.output, bits), self.step)


def frame_bytes(info: MediaInfo, size: Size, bits: int) -> int:
    """Bytes of a frame of that size in integers, with so many bits of a sample."""
    return size[0] * size[1] * (4 if info.has_alpha else 3) * (2 if bits > 8 else 1)


def size_warnings(info: MediaInfo, options: UpscaleOptions, plan: Plan) -> tuple[str, ...]:
    """Sentences about a result that is smaller, or made of smaller batches, than might be expected."""
    return (*shortened(info, options), *smaller_than_source(info, options), *smaller_batches(plan, options, info))


def shortened(info: MediaInfo, options: UpscaleOptions) -> Iterator[str]:
    """A sentence where nobody asked for a limit, but there is one."""
    short, long = sorted((info.width, info.height))
    if not options.limited and options.short_edge(short, long) * long > MAX_EDGE * short:
        yield (
            f"With {options.size_asked} the long edge would have more than {MAX_EDGE} pixels, "
            "which is the most there is; the result is smaller."
        )


def smaller_than_source(info: MediaInfo, options: UpscaleOptions) -> Iterator[str]:
    """A sentence where the result has fewer pixels than the source, though nobody said how large it is to be."""
    short, long = sorted((info.width, info.height))
    unsaid = options.sizing == "resolution" and options.resolution == BY_NAME["resolution"].default
    free = options.longest_edge >= long and options.box[0] >= info.width and options.box[1] >= info.height
    if unsaid and options.resolution < short and free:
        yield (
            f"The result is smaller than the source, whose short edge has {short} pixels, since {options.size_asked}; "
            "scale = 1 keeps the size of the source."
        )


def smaller_batches(plan: Plan, options: UpscaleOptions, info: MediaInfo) -> Iterator[str]:
    """A sentence where fewer frames were restored together than were asked for, since that can be seen."""
    if info.kind == "video" and plan.window < options.batch_size:
        yield (
            f"The {options.batch_size} frames of batch_size do not fit together into the memory here; "
            f"{plan.window} were restored at a time."
        )
