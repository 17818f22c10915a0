"""The samples and the options that each encoder gets, by FFmpeg's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from seedvr2.coding.tables import ENCODERS
from seedvr2.media.videos.light import Light

# What an encoder gives depends on how many threads it has, so it does not follow the machine.
_THREADS = "4"
# In pictures of up to 48 pixels' width the "cutree" of x265 writes beyond its memory (measured with version 4.2).
_NARROW = 64
# It writes pages about its settings to the terminal otherwise; 1 is errors alone.
os.environ.setdefault("SVT_LOG", "1")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the samples are to hold.

    Attributes:
        depth: bits of the source's. best: 10 bits also where the source has 8, for what was restored is finer.
        alpha: whether it has transparency. light: what it says of its light.
        width: of the result, in pixels.
    """

    depth: int
    best: bool
    alpha: bool
    light: Light
    width: int


@dataclass(frozen=True, slots=True)
class Settings:
    """The `layout` of the samples, the depth of the images that they are made of (8 or 16), the encoder's `options`."""

    layout: str
    image_depth: int
    options: Mapping[str, str]


def usual_preset(encoder: str, wanted: Wanted) -> str:
    """The preset where none was asked for; empty where there is none."""
    if encoder == "prores_ks" and wanted.alpha:
        return "4444"  # its only one with transparency that is not larger still
    return next(iter(ENCODERS[encoder].presets), "")


# From what is wanted, the crf and the preset.
Maker: TypeAlias = Callable[[Wanted, str, str], Settings]


def _x264(_wanted: Wanted, crf: str, preset: str) -> Settings:
    # Browsers play 8 bits only.
    return Settings("yuv420p", 8, {"crf": crf, "preset": preset, "profile": "high", "threads": _THREADS})


def _x265(wanted: Wanted, crf: str, preset: str) -> Settings:
    deep = wanted.depth > 8 or wanted.best
    stated = wanted.light.x265() if deep else ""
    # What is stated stands before each key frame, so that players find it wherever they start.
    threads = [f"pools={_THREADS}", "frame-threads=2"]
    if wanted.width < _NARROW:
        threads.append("no-cutree=1")
    parameters = ":".join(["log-level=error", *threads, *(["hdr10=1", "repeat-headers=1", stated] if stated else [])])
    options = {"crf": crf, "preset": preset, "x265-params": parameters}
    return Settings("yuv420p10le" if deep else "yuv420p", 16 if deep else 8, options)


def _svt(wanted: Wanted, crf: str, preset: str) -> Settings:
    # Every player of AV1 plays 10 bits, in which also 8 are coded better.
    parameters = ":".join(filter(None, [f"lp={_THREADS}", wanted.light.svtav1()]))
    return Settings("yuv420p10le", 16, {"crf": crf, "preset": preset, "svtav1-params": parameters})


def _vp9(wanted: Wanted, crf: str, preset: str) -> Settings:
    # A bit rate of 0 makes it the quality alone.
    options = {"crf": crf, "b": "0", "deadline": "good", "cpu-used": preset, "row-mt": "1", "threads": _THREADS}
    if wanted.alpha:
        # Hidden frames would have no counterpart in the stream of the transparency.
        options["auto-alt-ref"] = "0"
    return Settings("yuva420p" if wanted.alpha else "yuv420p", 8, options)


def _ffv1(wanted: Wanted, _crf: str, _preset: str) -> Settings:
    # RGB as it was restored: no chroma is thinned out, and no matrix rounds it. Each frame stands for itself, with a
    # checksum for each of its slices, as archives ask for.
    bits = next(bits for bits in (10, 12, 16) if wanted.depth <= bits)
    options = {"level": "3", "g": "1", "slices": "16", "slicecrc": "1", "threads": _THREADS}
    return Settings(f"gbr{'a' if wanted.alpha else ''}p{bits}le", 16, options)


def _prores(wanted: Wanted, _crf: str, preset: str) -> Settings:
    full = preset.startswith("4444")
    options = {"profile": preset, "vendor": "apl0", "threads": _THREADS}
    if not full:
        return Settings("yuv422p10le", 16, options)
    if not wanted.alpha:
        return Settings("yuv444p10le", 16, options)
    return Settings("yuva444p10le", 16, {**options, "alpha_bits": "16"})


def _dnxhr(_wanted: Wanted, _crf: str, preset: str) -> Settings:
    layout = {"hqx": "yuv422p10le", "444": "yuv444p10le"}.get(preset, "yuv422p")
    return Settings(layout, 8 if layout == "yuv422p" else 16, {"profile": f"dnxhr_{preset}", "threads": _THREADS})


def _nvenc(wanted: Wanted, crf: str, preset: str) -> Settings:
    deep = wanted.depth > 8 or wanted.best
    options = {"preset": preset, "tune": "hq", "rc": "vbr", "cq": crf, "b": "0"}
    return Settings("p010le" if deep else "yuv420p", 16 if deep else 8, options)


def _nvenc_h264(wanted: Wanted, crf: str, preset: str) -> Settings:
    return _nvenc(replace(wanted, depth=8, best=False), crf, preset)


SETTINGS: Mapping[str, Maker] = {
    "libx264": _x264,
    "libx265": _x265,
    "libsvtav1": _svt,
    "libvpx-vp9": _vp9,
    "ffv1": _ffv1,
    "prores_ks": _prores,
    "dnxhd": _dnxhr,
    "h264_nvenc": _nvenc_h264,
    "hevc_nvenc": _nvenc,
    "av1_nvenc": _nvenc,
}
