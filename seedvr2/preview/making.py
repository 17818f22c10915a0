"""Makes a preview: some frames of the source are restored once, the way the job would do it, and mixed afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from seedvr2.job_settings import JobSettings, size_warnings
from seedvr2.media import Frame, Pixels, open_source
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.model import Model
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import pad_indices
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.latent_windows import window_latents
from seedvr2.pipeline.region import Region
from seedvr2.pipeline.restore import BatchRestorer, NoiseSource
from seedvr2.pipeline.sampler import draw_noise
from seedvr2.pipeline.shot_noise import ShotNoise
from seedvr2.pipeline.sizes import Sizes, sizes_of
from seedvr2.pipeline.source_frames import SourceFrames
from seedvr2.pipeline.stream import restore_stream, to_integer
from seedvr2.planning.machine import MachinePlanner
from seedvr2.preview.colours import colours_of
from seedvr2.preview.moment import Moment, find_moment
from seedvr2.preview.part import Part, affordable, crop_of, least_pixels, most_detailed, region_of, shrunk, with_context
from seedvr2.preview.wish import WHOLE, Crop, Wish
from seedvr2.selection import ModelFiles

# Fewer frames are restored together than the job would where a part would be too small otherwise.
_FEWER = (5, 1)
# Frames of a trial, at the most.
_TRIAL = 5
# Edges in pixels of a first one, and of a second where the first takes no longer than so many seconds.
_TRIALS, _SOON_S = (64, 128), 0.5


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """One image, (H, W, 3 or 4) uint8. `strength` 0 is the plain resize; `seconds`: the time of a video's frame."""

    strength: float
    seconds: float | None
    image: Pixels


@dataclass(frozen=True, slots=True)
class Preview:
    """What a preview shows.

    Attributes:
        frames: in the order of their time, each at all strengths, the plain resize first.
        width, height: of each image. size: width and height of the job's result.
        crop: what is shown of the source; None for all of it.
        model: the name of the one that ran. seconds: of work, loading it left out.
        together: how many frames were restored together. speed: megapixels that were restored in a second.
        tags: what the images say of their colours. warnings: sentences.
    """

    frames: tuple[PreviewFrame, ...]
    width: int
    height: int
    size: tuple[int, int]
    crop: Crop | None
    model: str
    seconds: float
    together: int
    speed: float
    tags: PictureTags
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What there is to work with.

    Attributes:
        files, planner: of the model, and of the device.
        load: brings the model into memory, so many of its blocks in main memory.
        check: called often; may raise to stop.
        speed: megapixels that are restored in a second, where that was measured.
    """

    files: ModelFiles
    planner: MachinePlanner
    load: Callable[[int], Model]
    check: Callable[[], None]
    speed: float | None = None


def make_preview(path: Path, options: UpscaleOptions, wish: Wish, bench: Bench) -> Preview:
    """Make a preview. Errors as for `Upscaler.upscale`, and OptionError where the wish does not fit the source."""
    with open_source(path, options) as source:
        info, planner = source.info, bench.planner
        request = planner.request(bench.files, info, options)
        plan = planner.plan(request, info)
        sizes = sizes_of((info.width, info.height), options, request.facts.multiple)
        wanted = region_of(wish.crop, info, sizes) if isinstance(wish.crop, Crop) else None
        moment = find_moment(source, wish.at, plan.window, shots=options.shots == "auto", check=bench.check)
        # Only now: wrong wishes are refused before anything takes long.
        model = bench.load(plan.blocks_to_swap)
        job = JobSettings.prepare(model, info, options, plan)
        if not plan.in_turn:
            # An earlier job may have left one of them in main memory.
            model.dit.onload()
            model.vae.onload()
        most = None
        if wish.patience is not None:
            most = wish.patience * (bench.speed or _speed(model, job, len(moment.frames))) * 1e6
        together = _together(len(moment.frames), most, sizes)
        told: tuple[str, ...] = ()
        if together < len(moment.frames):
            told = (f"{together} of {plan.window} frames were restored together, for the preview to be quick.",)
            moment = moment.narrowed(together)
        part, why = _part(wish, sizes, moment, most, model.multiple, wanted)
        started = time.monotonic()
        stitched = isinstance(source, VideoSource) and options.stitching == "latent"
        frames, warnings = _restored(model, job, moment, part, wish, bench.check, stitched=stitched)
        seconds = time.monotonic() - started
        worked = sizes.output if part is None else part.worked.size
        height, width = frames[0].image.shape[:2]
        crop: Crop | None = None
        if part is not None:
            asked = part.shown == wanted and isinstance(wish.crop, Crop)
            crop = wish.crop if asked and isinstance(wish.crop, Crop) else crop_of(part.shown, info, sizes)
        return Preview(
            frames=frames,
            width=width,
            height=height,
            size=sizes.output,
            crop=crop,
            model=model.name,
            seconds=seconds,
            together=together,
            speed=worked[0] * worked[1] * together / 1e6 / seconds,
            tags=colours_of(source),
            warnings=tuple(
                dict.fromkeys((*why, *told, *source.warnings, *warnings, *size_warnings(info, options, plan)))
            ),
        )


def _speed(model: Model, job: JobSettings, frames: int) -> float:
    """Megapixels that are restored in a second, tried out on a small picture."""
    count = len(pad_indices(min(frames, _TRIAL), 1, model.vae.config.temporal_factor))
    restorer = BatchRestorer(model, job.restore)

    def timed(edge: int) -> float:
        """Seconds of a picture of that edge."""
        started = time.monotonic()
        restorer.restore(torch.zeros((3, count, edge, edge), dtype=restorer.frame_dtype, device=model.device), 0)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        return time.monotonic() - started

    edge = _TRIALS[0]
    seconds = timed(edge)
    if seconds < _SOON_S:
        # The first time takes longer than the next ones, and little longer than it has to.
        edge = _TRIALS[1]
        seconds = timed(edge)
    return edge * edge * count / 1e6 / seconds


def _together(window: int, most: float | None, sizes: Sizes) -> int:
    """How many frames are restored together."""
    if most is None:
        return window
    for count in (window, *(fewer for fewer in _FEWER if fewer < window)):
        if least_pixels(sizes) * count <= most:
            return count
    return min(window, _FEWER[-1])


def _part(
    wish: Wish,
    sizes: Sizes,
    moment: Moment,
    most: float | None,
    multiple: int,
    wanted: Region | None,
) -> tuple[Part | None, tuple[str, ...]]:
    """The part to work on, None for the whole, and what is to be said about it."""
    width, height = sizes.output
    each = None if most is None else most / len(moment.frames)
    if wanted is None:
        if each is None or width * height <= each:
            return None, ()
        image = moment.frames[moment.target].image
        shown = most_detailed(image, sizes, affordable(sizes, each))
        if shown.size == (width, height):
            return None, ()
        asked = "The whole picture" if wish.crop == WHOLE else "All of it"
        told = (
            f"{asked} would take longer than the {wish.patience:g} s that there are; its most detailed part is shown."
        )
        return with_context(shown, sizes, multiple), (told,)
    part = with_context(wanted, sizes, multiple)
    worked = part.worked.size
    if each is None or worked[0] * worked[1] <= each:
        return part, ()
    smaller = shrunk(wanted, affordable(sizes, each))
    if smaller == wanted:
        return part, ()
    told = f"The part would take longer than the {wish.patience:g} s that there are; its middle is shown."
    return with_context(smaller, sizes, multiple), (told,)


def _restored(
    model: Model,
    job: JobSettings,
    moment: Moment,
    part: Part | None,
    wish: Wish,
    check: Callable[[], None],
    *,
    stitched: bool,
) -> tuple[tuple[PreviewFrame, ...], list[str]]:
    """The images of a preview, and warnings."""
    stream = _stream_settings(job, moment, part, model.multiple)
    together = window_latents(len(moment.frames), model.vae.config.temporal_factor)
    restore = replace(job.restore, noise=_noise_of(model, job, part, stitched=stitched and together > 1))
    restorer = BatchRestorer(model, restore, lambda _stage, _share: check())
    source = SourceFrames(moment.frames, _image, model.device, stream.sizes, region=stream.region)
    shown, found = moment.shown(wish.frames), []
    with closing(restore_stream(moment.frames, _image, restorer, stream)) as restored:
        for index, (_, full) in enumerate(restored):
            if index not in shown:
                continue
            plain = _plain(source, index)
            for strength in dict.fromkeys((0.0, *wish.strengths)):
                # The same mix as that of a job, see `StreamSettings.strength`.
                mixed = _cut(full.lerp(plain, 1 - strength), part)
                pixels: Pixels = to_integer(mixed, 8).cpu().numpy()
                found.append(PreviewFrame(strength, moment.time_of(index), pixels))
    return tuple(found), restorer.warnings


def _stream_settings(job: JobSettings, moment: Moment, part: Part | None, multiple: int) -> StreamSettings:
    """One batch of one shot, all of it restored."""
    settings = replace(
        job.stream, batch_size=max(len(moment.frames), job.stream.batch_size if job.stream.uniform else 1),
        overlap=0, prepend=0, shots=False, strength=1.0,
    )  # fmt: skip
    if part is None:
        return settings
    width, height = part.worked.size
    padded = (-(-width // multiple) * multiple, -(-height // multiple) * multiple)
    sizes = replace(settings.sizes, padded=padded, output=part.worked.size)
    return replace(settings, sizes=sizes, region=part.worked)


def _noise_of(model: Model, job: JobSettings, part: Part | None, *, stitched: bool) -> NoiseSource:
    """The noise that the job would have there: of a part, a piece of that of the whole picture.

    `stitched`: as at the beginning of a shot whose windows are stitched over their latents.
    """
    factor, seed = model.vae.config.spatial_factor, job.restore.seed
    width, height = (side // factor for side in job.sizes.padded)
    left, top = (0, 0) if part is None else (part.worked.left // factor, part.worked.top // factor)

    def noise(_index: int, shape: tuple[int, ...]) -> Tensor:
        latents, down, across, channels = shape
        each = (height, width, channels)
        whole = ShotNoise(seed, 0).of_latents(range(latents), each) if stitched else draw_noise((latents, *each), seed)
        return whole[:, top : top + down, left : left + across].contiguous()

    return noise


def _image(frame: Frame) -> Pixels:
    return frame.image


def _plain(source: SourceFrames[Frame], index: int) -> Tensor:
    """The plain resize (h, w, 3 or 4) of a frame, in 0…1."""
    alpha, plain = source.plain_alpha, source.plain[index]
    return (plain if alpha is None else torch.cat((plain, alpha[index]))).permute(1, 2, 0)


def _cut(image: Tensor, part: Part | None) -> Tensor:
    if part is None:
        return image
    box = part.shown.within(part.worked)
    return image[box.top : box.bottom, box.left : box.right]
