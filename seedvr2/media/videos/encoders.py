"""What a video is coded with, by the container of the result and by what the source has: depth and transparency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from av.video.format import VideoFormat

from seedvr2.media.info import MediaInfo
from seedvr2.media.videos.light import Light

# FFmpeg's name of each container.
MUXERS: Mapping[str, str] = {".mp4": "mp4", ".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
_DEEPEST = 10  # bits of a sample that any of the encoders keeps
# Codecs whose transparent videos browsers play from WebM.
_OF_THE_WEB = frozenset({"vp8", "vp9"})


@dataclass(frozen=True, slots=True)
class Encoder:
    """How pictures are coded.

    Attributes:
        codec: FFmpeg's name of the encoder. options: its own.
        layout: the samples that it takes, as FFmpeg calls them.
        alpha: whether they have transparency.
        bit_depth: of the images to code: 8 or 16; what the layout has less is rounded.
        tag: the four letters that mp4 is to call the codec by; empty for the usual ones.
    """

    codec: str
    layout: str
    alpha: bool = False
    bit_depth: int = 8
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""


def keeps_transparency(info: MediaInfo) -> str:
    """The format, without a dot, in which a transparent video stays one by itself; empty for all other sources."""
    if info.kind != "video" or not info.has_alpha or info.animation:
        return ""
    return "webm" if info.codec in _OF_THE_WEB else "mov"


def choose_encoder(suffix: str, info: MediaInfo, codec: str, light: Light) -> Encoder:
    """What codes a source of that kind into a container: `.mp4`, `.mkv`, `.webm` or `.mov`.

    `codec`: what was asked for in those that hold either, `h264` or `hevc`. `light`: what the source says of its own.
    """
    if suffix == ".mov":
        return _prores(info)
    if suffix == ".webm":
        return _vp9(info)
    return _hevc(info, light) if codec == "hevc" else _H264


def shortfalls(encoder: Encoder, info: MediaInfo, *, hdr: bool) -> Iterator[str]:
    """Sentences on what of a source's pictures an encoder does not keep. `hdr`: they have a high dynamic range."""
    deep = VideoFormat(encoder.layout).components[0].bits > 8
    if hdr and not deep:
        yield (
            "The video has a high dynamic range; the result keeps its colours' meaning, but in 8 bits, where gradients "
            f"may show steps; choose {_deeper(encoder)} for 10."
        )
    elif info.bit_depth > 8 and not deep:
        yield f"The video has {info.bit_depth} bits per sample; the result has 8; choose {_deeper(encoder)} for 10."
    elif info.bit_depth > _DEEPEST and info.codec != "prores":  # FFmpeg calls all of ProRes 4444 12 bits
        yield f"The video has {info.bit_depth} bits per sample; the result has {_DEEPEST}."
    if info.has_alpha and not encoder.alpha:
        # An animation is made for white pages, a video for a dark screen.
        what, shown, kept = ("video", "black", "webm or mov")
        if info.animation:
            what, shown, kept = ("animation", "white", "webp or png")
        advice = f"Choose output_format = {kept} to keep it."
        yield f"The {what} is partly transparent; the result shows it on {shown}. {advice}"


def _deeper(encoder: Encoder) -> str:
    return "video_codec = hevc or output_format = mov" if encoder is _H264 else "output_format = mov"


# What an encoder gives depends on how many threads it has, so it does not follow the machine.
_THREADS = "4"
# 18 is taken for visually lossless; `medium` is x264's own balance of size and time. Browsers play 8 bits only.
_H264 = Encoder("libx264", "yuv420p", options={"crf": "18", "preset": "medium", "profile": "high", "threads": _THREADS})


def _hevc(info: MediaInfo, light: Light) -> Encoder:
    deep = info.bit_depth > 8
    stated = light.x265() if deep else ""
    # What is stated stands before each key frame, so that players find it wherever they start.
    threads = [f"pools={_THREADS}", "frame-threads=2"]
    parameters = ":".join(["log-level=error", *threads, *(["hdr10=1", "repeat-headers=1", stated] if stated else [])])
    return Encoder(
        "libx265",
        "yuv420p10le" if deep else "yuv420p",
        bit_depth=16 if deep else 8,
        options={"crf": "18", "preset": "medium", "x265-params": parameters},
        tag="hvc1",  # the only one of its two that Apple's players take
    )


def _vp9(info: MediaInfo) -> Encoder:
    # Its scale is another: 15 to 20 is taken for visually lossless. A bit rate of 0 makes it the quality alone.
    options = {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1", "threads": _THREADS}
    if info.has_alpha:
        # Hidden frames would have no counterpart in the stream of the transparency.
        options["auto-alt-ref"] = "0"
    return Encoder("libvpx-vp9", "yuva420p" if info.has_alpha else "yuv420p", alpha=info.has_alpha, options=options)


def _prores(info: MediaInfo) -> Encoder:
    depth = 16 if info.bit_depth > 8 else 8
    if info.has_alpha:
        options = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0", "threads": _THREADS}
        return Encoder("prores_ks", "yuva444p10le", alpha=True, bit_depth=depth, options=options)
    return Encoder(
        "prores_ks", "yuv422p10le", bit_depth=depth, options={"profile": "hq", "vendor": "apl0", "threads": _THREADS}
    )
