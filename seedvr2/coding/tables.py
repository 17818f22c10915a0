"""The tables of profiles, codecs and encoders: names, what goes into what, and which numbers each takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AUTO = "auto"
# The codecs of each profile, the usual one first.
PROFILES: Mapping[str, tuple[str, ...]] = {
    "web": ("h264", "vp9"),
    "quality": ("hevc", "av1"),
    "archive": ("ffv1",),
    "edit": ("prores", "dnxhr"),
}
# The containers of each codec that players and editors look for it in, the usual one first.
CONTAINERS: Mapping[str, tuple[str, ...]] = {
    "h264": ("mp4", "mkv", "mov"),
    "hevc": ("mp4", "mkv", "mov"),
    "av1": ("mp4", "mkv", "webm"),
    "vp9": ("webm", "mkv"),
    "ffv1": ("mkv",),
    "prores": ("mov", "mkv"),
    "dnxhr": ("mov",),
}
# Codecs that keep transparency.
CLEAR = frozenset({"vp9", "ffv1", "prores"})
# What a container gets where only it was asked for: for sources of 8 bits, and for deeper ones.
USUAL: Mapping[str, tuple[str, str]] = {
    "mp4": ("h264", "hevc"),
    "mkv": ("h264", "hevc"),
    "webm": ("vp9", "av1"),
    "mov": ("prores", "prores"),
}
NAMES: Mapping[str, str] = {
    "h264": "H.264",
    "hevc": "HEVC",
    "av1": "AV1",
    "vp9": "VP9",
    "ffv1": "FFV1",
    "prores": "ProRes",
    "dnxhr": "DNxHR",
}


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What is to be known of an encoder, by FFmpeg's name.

    Attributes:
        codec: what it makes. presets: names that `encoder_preset` takes, the usual one first; empty if it has none.
        crf: the least, the usual and the greatest that `crf` takes; empty if its quality is set by the preset, or is
            without loss. whole: it takes no fractions of it.
        hardware: it is a part of a card, which may be missing, busy, or unable to code a video of that kind.
        least: width and height of the smallest pictures that it takes.
    """

    codec: str
    presets: tuple[str, ...] = ()
    crf: tuple[int, ...] = ()
    whole: bool = False
    hardware: bool = False
    least: tuple[int, int] = (0, 0)


# `medium` is the balance of size and time that these encoders have themselves.
_X26 = ("medium", "ultrafast", "superfast", "veryfast", "faster", "fast", "slow", "slower", "veryslow", "placebo")
_SVT = ("8", *(str(number) for number in range(14) if number != 8))
_NVENC = ("p5", "p1", "p2", "p3", "p4", "p6", "p7")
# 18 is taken for visually lossless by x264 and x265; the scale of VP9 and AV1 is another.
ENCODERS: Mapping[str, EncoderFacts] = {
    "libx264": EncoderFacts("h264", _X26, (0, 18, 51)),
    "libx265": EncoderFacts("hevc", _X26, (0, 18, 51)),
    "libsvtav1": EncoderFacts("av1", _SVT, (1, 20, 63), whole=True),
    "libvpx-vp9": EncoderFacts("vp9", ("3", "0", "1", "2", "4", "5"), (0, 18, 63), whole=True),
    "ffv1": EncoderFacts("ffv1"),
    "prores_ks": EncoderFacts("prores", ("hq", "proxy", "lt", "standard", "4444", "4444xq")),
    "dnxhd": EncoderFacts("dnxhr", ("hqx", "lb", "sq", "hq", "444"), least=(256, 120)),
    "h264_nvenc": EncoderFacts("h264", _NVENC, (1, 19, 51), hardware=True),
    "hevc_nvenc": EncoderFacts("hevc", _NVENC, (1, 19, 51), hardware=True),
    "av1_nvenc": EncoderFacts("av1", _NVENC, (1, 24, 51), hardware=True),
}
MOST_CRF = max(facts.crf[-1] for facts in ENCODERS.values() if facts.crf)


def encoder_for(codec: str) -> str:
    """The encoder that makes a codec where none was asked for: one that any machine has."""
    return next(name for name, facts in ENCODERS.items() if facts.codec == codec and not facts.hardware)
