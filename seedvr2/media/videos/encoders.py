"""What a video is coded with: chosen by what was asked for, the container of the result, and what the source has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from av import codecs_available
from av.video.format import VideoFormat

from seedvr2.coding.tables import ENCODERS, NAMES, encoder_for
from seedvr2.coding.wish import Wish
from seedvr2.errors import OptionError
from seedvr2.media.info import MediaInfo
from seedvr2.media.videos.encoder_settings import SETTINGS, Settings, Wanted, usual_preset
from seedvr2.media.videos.hardware import trouble_with
from seedvr2.media.videos.light import Light

# FFmpeg's name of each container.
MUXERS: Mapping[str, str] = {".mp4": "mp4", ".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
# Codecs whose transparent videos browsers play from WebM.
_OF_THE_WEB = frozenset({"vp8", "vp9"})


@dataclass(frozen=True, slots=True)
class Encoder:
    """How pictures are coded.

    Attributes:
        codec: FFmpeg's name of the encoder. options: its own.
        layout: the samples that it takes, as FFmpeg calls them.
        bit_depth: of the images to code: 8 or 16; what the layout has less is rounded.
        tag: the four letters that mp4 and mov are to call the codec by; empty for the usual ones.
        repeats: whether equal images always give equal packets.
        notes: sentences on what was asked for and is not done.
    """

    codec: str
    layout: str
    bit_depth: int = 8
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    repeats: bool = True
    notes: tuple[str, ...] = ()

    @property
    def alpha(self) -> bool:
        """Whether transparency is kept."""
        return any(part.is_alpha for part in VideoFormat(self.layout).components)

    @property
    def bits(self) -> int:
        """Of a sample."""
        return VideoFormat(self.layout).components[0].bits


def keeps_transparency(info: MediaInfo) -> str:
    """The format, without a dot, in which a transparent video stays one by itself; empty for all other sources."""
    if info.kind != "video" or not info.has_alpha or info.animation:
        return ""
    return "webm" if info.codec in _OF_THE_WEB else "mov"


def choose_encoder(
    suffix: str, info: MediaInfo, size: tuple[int, int], wish: Wish, light: Light, *, hdr: bool
) -> Encoder:
    """What codes a source of that kind into a container: `.mp4`, `.mkv`, `.webm` or `.mov`.

    An encoder in hardware that does not work here makes way for the one in software, with a note.

    Args:
        size: width and height of the result. wish: what was asked for. light: what the source says of its own.
        hdr: it has a high dynamic range.

    Raises:
        OptionError: the encoder is not in this installation, or does not take pictures of that size.
    """
    deep = info.bit_depth > 8 or hdr
    codec = wish.codec_in(suffix[1:], deep=deep, transparent=info.has_alpha)
    name = wish.encoder_of(codec)
    wanted = Wanted(
        depth=info.bit_depth if info.bit_depth > 8 or not hdr else 10,
        best=wish.profile == "quality",
        alpha=info.has_alpha,
        light=light if deep else Light(),
        width=size[0],
    )
    if not ENCODERS[name].hardware:
        _check(name, size)
        return _made(name, wish, wanted)
    encoder = _made(name, wish, wanted)
    trouble = trouble_with(name, encoder.layout, *size, tuple(encoder.options.items()))
    if not trouble:
        return encoder
    instead = encoder_for(codec)
    _check(instead, size)
    note = f"{name} cannot code this video on this machine ({trouble}), so {instead} coded it with its usual settings."
    # Its numbers and names mean other things to another encoder.
    encoder = _made(instead, replace(wish, crf=-1, preset=""), wanted)
    return replace(encoder, notes=(note,))


def _check(name: str, size: tuple[int, int]) -> None:
    facts = ENCODERS[name]
    made = NAMES[facts.codec]
    if name not in codecs_available:
        raise OptionError(
            "video_codec", f"PyAV comes without {name} here, so {made} cannot be made; use another codec."
        )
    if any(given < least for given, least in zip(size, facts.least, strict=True)):
        width, height = facts.least
        raise OptionError(
            "video_codec",
            f"{made} takes pictures of at least {width} x {height} pixels, and the result has {size[0]} x {size[1]}; "
            "ask for a larger one (resolution, scale) or for another video_codec.",
        )


def _made(name: str, wish: Wish, wanted: Wanted) -> Encoder:
    crf, preset, told = wish.settings_for(name)
    facts = ENCODERS[name]
    made: Settings = SETTINGS[name](wanted, f"{crf:g}", preset or usual_preset(name, wanted))
    # The only one of its two that Apple's players take.
    tag = "hvc1" if facts.codec == "hevc" else ""
    return Encoder(name, made.layout, made.image_depth, made.options, tag, not facts.hardware, tuple(told))


def shortfalls(encoder: Encoder, info: MediaInfo, wish: Wish, *, hdr: bool) -> Iterator[str]:
    """Sentences on what of a source's pictures an encoder does not keep. `hdr`: they have a high dynamic range."""
    yield from encoder.notes
    better = wish.advice("edit" if info.has_alpha and not info.animation else "quality")
    if hdr and encoder.bits <= 8:
        yield (
            "The video has a high dynamic range; the result keeps its colours' meaning, but in 8 bits, where gradients "
            f"may show steps; {better} for 10."
        )
    elif info.bit_depth > 8 and encoder.bits <= 8:
        yield f"The video has {info.bit_depth} bits per sample; the result has 8; {better} for 10."
    elif info.bit_depth > encoder.bits and info.codec != "prores":  # FFmpeg calls all of ProRes 4444 12 bits
        yield (
            f"The video has {info.bit_depth} bits per sample; the result has {encoder.bits}; {wish.advice('archive')} "
            "to keep them."
        )
    if info.has_alpha and not encoder.alpha:
        yield _on_ground(info, wish)


def _on_ground(info: MediaInfo, wish: Wish) -> str:
    # An animation is made for white pages, a video for a dark screen.
    what, shown, advice = "video", "black", "Choose output_format = webm or mov to keep it."
    if info.animation:
        what, shown, advice = "animation", "white", "Choose output_format = webp or png to keep it."
    elif not wish.is_open:
        better = wish.advice("edit")
        advice = f"{better[:1].upper()}{better[1:]} to keep it."
    return f"The {what} is partly transparent; the result shows it on {shown}. {advice}"
