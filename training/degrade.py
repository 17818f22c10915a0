"""What happens to pictures before somebody wants them upscaled: a random chain in the spirit of Real-ESRGAN.

Blur, a resize by one of several kernels, noise and compression, in random order; some clips are only resized, so
that good pictures are not spoiled. One draw of parameters serves all frames of a clip; noise is new in each.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

Pixels = npt.NDArray[np.uint8]
Step = Callable[[Tensor], Tensor]

CLEAN_SHARE = 0.15
# The fast versions of its routines do not always agree with each other, nor with themselves.
X264 = {"preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}
KERNELS = ("area", "bilinear", "bicubic", "bicubic", "lanczos", "aliased")


@dataclass(slots=True)
class Faults:
    """What was done to a clip: how much smaller it is, blur in pixels of the result, noise in levels, compression."""

    factor: float
    blur: float = 0.0
    noise: float = 0.0
    compression: float = 0.0
    clean: bool = False

    def hints(self) -> list[float]:
        """As numbers from 0 to about 2."""
        return [self.factor - 1.5, 2 * self.blur, self.noise / 10, self.compression, float(self.clean)]


Maker = Callable[[np.random.Generator, Faults, float, int], Step]


class Degraded(NamedTuple):
    """A degraded clip (T, 3, h, w) in 0…1, and what was done to it."""

    clip: Tensor
    faults: Faults


def degrade(
    rng: np.random.Generator, clip: Tensor, size: tuple[int, int], clean_share: float = CLEAN_SHARE
) -> Degraded:
    """Degrade a clip.

    Args:
        clip: (T, 3, H, W) in 0…1.
        size: (height, width) of the result, smaller than the clip.
        clean_share: how often it is only resized.

    Returns:
        The clip (T, 3, height, width), at the 256 levels of 8 bits, and its faults.
    """
    faults = Faults(clip.shape[2] / size[0])
    if rng.random() < clean_share:
        faults.clean = True
        kernel = str(rng.choice(("bicubic", "area", "lanczos"), p=(0.6, 0.2, 0.2)))
        return Degraded(quantise(shrink(clip, size, kernel)), faults)
    makers: list[Maker] = [random_blur] if rng.random() < 0.65 else []
    if rng.random() < 0.75:
        makers.append(random_noise)
    if rng.random() < 0.7:
        makers.append(random_compression)
    kernel = str(rng.choice(KERNELS))
    # Lens, then sensor, then file is the usual order; a third of the clips went another way.
    place = int(random_blur in makers)
    if rng.random() < 0.33:
        makers = [makers[i] for i in rng.permutation(len(makers))]
        place = int(rng.integers(len(makers) + 1))
    factors = [faults.factor if index < place else 1.0 for index in range(len(makers))]
    steps = [make(rng, faults, factor, len(clip)) for make, factor in zip(makers, factors, strict=True)]
    steps.insert(place, lambda x: shrink(x, size, kernel))
    for step in steps:
        clip = step(clip).clamp(0, 1)
    return Degraded(quantise(clip), faults)


def quantise(clip: Tensor) -> Tensor:
    """Rounded to 8 bits."""
    return (clip.clamp(0, 1) * 255).round() / 255


def shrink(clip: Tensor, size: tuple[int, int], kernel: str) -> Tensor:
    """Resize (T, 3, H, W); `aliased` is bicubic without a low-pass, as fast scalers do it."""
    if kernel == "area":
        return F.interpolate(clip, size, mode="area")
    if kernel == "lanczos":
        frames = [Image.fromarray(frame).resize(size[::-1], Image.Resampling.LANCZOS) for frame in to_pixels(clip)]
        return from_pixels(np.stack([np.asarray(frame) for frame in frames]))
    if kernel == "aliased":
        return F.interpolate(clip, size, mode="bicubic", align_corners=False)
    return F.interpolate(clip, size, mode=kernel, antialias=True, align_corners=False)


def random_blur(rng: np.random.Generator, faults: Faults, factor: float, _frames: int) -> Step:
    """A Gaussian, round or elongated, of up to about one pixel of the result, which is `factor` pixels here."""
    faults.blur = float(rng.uniform(0.1, 0.9))
    sigma = factor * faults.blur * np.array([1.0, rng.uniform(0.5, 1.0)])
    return blur(float(sigma[0]), float(sigma[1]), float(rng.uniform(0, np.pi)))


def blur(sigma_x: float, sigma_y: float, angle: float) -> Step:
    """A Gaussian of deviations `sigma_x` and `sigma_y` in pixels, turned by `angle`."""
    radius = max(1, round(2.5 * max(sigma_x, sigma_y)))
    grid = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = torch.exp(-0.5 * ((u / max(sigma_x, 0.05)) ** 2 + (v / max(sigma_y, 0.05)) ** 2))
    weight = (kernel / kernel.sum()).expand(3, 1, -1, -1)
    return lambda clip: F.conv2d(F.pad(clip, [radius] * 4, mode="reflect"), weight, groups=3)


def random_noise(rng: np.random.Generator, faults: Faults, _factor: float, _frames: int) -> Step:
    """Gaussian, Poisson or grain, mostly faint: deviations up to 25 of 255 levels."""
    faults.noise = float(25 * rng.random() ** 1.5)
    strength = faults.noise / 255
    kind = rng.choice(["gaussian", "gaussian", "poisson", "grain"])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if kind == "poisson":
        # Deviation `strength` at mid grey, less in the dark.
        return lambda clip: clip + strength * (2 * clip).sqrt() * torch.randn(clip.shape, generator=generator)
    if kind == "grain":
        size = float(rng.uniform(0.4, 0.9))
        return lambda clip: clip + _grain(clip, strength, size, generator)
    grey = rng.random() < 0.3
    return lambda clip: clip + gaussian(clip, strength, generator, grey=grey)


def gaussian(clip: Tensor, strength: float, generator: torch.Generator, *, grey: bool = False) -> Tensor:
    """White noise of that deviation, the same in all colours if `grey`."""
    shape = (clip.shape[0], 1 if grey else 3, *clip.shape[2:])
    return strength * torch.randn(shape, generator=generator)


def _grain(clip: Tensor, strength: float, size: float, generator: torch.Generator) -> Tensor:
    """Clumps of silver: blurred noise, the same in all colours, strongest in the mid tones."""
    noise = blur(size, size, 0.0)(gaussian(clip, 1.0, generator, grey=True).expand(-1, 3, -1, -1))
    luma = clip.mean(1, keepdim=True)
    return strength * noise / noise.std() * (0.4 + 2.4 * luma * (1 - luma))


def random_compression(rng: np.random.Generator, faults: Faults, _factor: float, frames: int) -> Step:
    """JPEG of quality 30 to 97, or H.264, which is more usual for clips than for stills."""
    if rng.random() < (0.4 if frames > 1 else 0.04):
        crf = int(rng.integers(16, 31))
        faults.compression = (crf - 12) / 18
        return lambda clip: h264(clip, crf)
    quality = int(rng.integers(30, 98))
    faults.compression = (100 - quality) / 60
    coarse_colour = bool(rng.random() < 0.7)
    return lambda clip: jpeg(clip, quality, coarse_colour=coarse_colour)


def jpeg(clip: Tensor, quality: int, *, coarse_colour: bool = True) -> Tensor:
    """Each frame through JPEG, with 4:2:0 or 4:4:4 colour."""
    frames = []
    for frame in to_pixels(clip):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality, subsampling=2 if coarse_colour else 0)
        frames.append(np.asarray(Image.open(file)))
    return from_pixels(np.stack(frames))


def h264(clip: Tensor, crf: int) -> Tensor:
    """The clip through x264 at a constant rate factor; edges are made even by repeating the last line."""
    height, width = clip.shape[2:]
    even = F.pad(clip, (0, width % 2, 0, height % 2), mode="replicate")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("libx264", rate=25, options=X264 | {"crf": str(crf)})
        stream.height, stream.width = even.shape[2:]
        stream.pix_fmt = "yuv420p"
        for frame in to_pixels(even):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    return from_pixels(np.stack(frames))[:, :, :height, :width]


def to_pixels(clip: Tensor) -> Pixels:
    """(T, 3, H, W) in 0…1 to (T, H, W, 3) of 8 bits."""
    return np.ascontiguousarray((clip.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())


def from_pixels(frames: Pixels) -> Tensor:
    """(T, H, W, 3) of 8 bits to (T, 3, H, W) in 0…1."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
