"""From images to coded packets: the encoder, and what travels within its packets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from seedvr2.coding.wish import Wish
from seedvr2.media.carried.videos import VIDEO
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.source import Source
from seedvr2.media.videos.captions import CaptionWriter
from seedvr2.media.videos.color_tags import output_tags
from seedvr2.media.videos.colorspace import YuvWriter
from seedvr2.media.videos.dnxhr_header import with_matrix
from seedvr2.media.videos.encoders import Encoder, choose_encoder
from seedvr2.media.videos.light import Light
from seedvr2.media.videos.rgb_writer import RgbWriter
from seedvr2.media.videos.video_source import VideoSource

_DEFAULT_RATE = Fraction(25)
_MILLISECONDS = Fraction(1, 1000)
# x264 takes the rate as 32-bit numbers; the average of a long video with a variable one can need more.
_LARGEST_DENOMINATOR = 100_000


class FrameCoder:
    """Codes the images of a result.

    Attributes:
        encoder: what codes them. context: FFmpeg's, set up but not opened.
        bit_depth: of the images to come, 8 or 16. origin: the source's time that is zero, in seconds.
    """

    def __init__(
        self,
        name: str,
        context: CodecContext,
        encoder: Encoder,
        source: Source,
        width: int,
        height: int,
        tag: str = "",
    ) -> None:
        """`name`: of the file to be, for messages. `context`: a new one, of that encoder.

        `tag`: what the container calls the codec, if not as usual.
        """
        assert isinstance(context, VideoCodecContext)
        self._name = name
        self.encoder, self.context = encoder, context
        self.bit_depth = encoder.bit_depth
        video = source if isinstance(source, VideoSource) else None
        self.origin = video.origin if video else Fraction(0)
        self._size = (height, width)
        self._background = 255 if source.info.animation else 0
        tags = output_tags(video.tags if video else None)
        self._to_samples: RgbWriter | YuvWriter
        if VideoFormat(encoder.layout).is_rgb:
            self._to_samples = RgbWriter(tags, encoder.layout)
        else:
            self._to_samples = YuvWriter(width, height, tags, encoder.layout)
        context.width, context.height, context.pix_fmt = width, height, encoder.layout
        if tag:
            context.codec_tag = tag
        context.time_base = video.time_base if video else _MILLISECONDS
        context.sample_aspect_ratio = Fraction(1)
        context.color_range, context.colorspace = self._to_samples.range, self._to_samples.matrix
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        # Without it the last frame of a file lasts no time.
        context.flags |= Flags.frame_duration
        self._captions = CaptionWriter(context.codec.canonical_name)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what frames carried and packets of that codec do not get."""
        why = "of the codecs made here, only H.264 and HEVC hold it"
        return (VIDEO["captions"].left_out("", why),) if self._captions.lost else ()

    def code(self, image: Pixels, frame: Frame) -> list[Packet[Any]]:
        """The packets that are ready when an image, (H, W, 3 or 4), is added at the time of the source's `frame`.

        Where it cannot be kept, transparency is shown on black, that of an animation on white.

        Raises:
            MediaError, OutOfMemoryError: the encoder fails.
        """
        expected = np.uint16 if self.bit_depth == 16 else np.uint8
        if image.shape[:2] != self._size or image.dtype != expected:
            raise ValueError(f"expected {expected.__name__} of {self._size}, got {image.dtype} of {image.shape}")
        shown = flatten(image, self._background) if image.shape[2] == 4 and not self.encoder.alpha else image
        encoded = self._to_samples(shown)
        encoded.time_base = frame.time_base
        encoded.pts = frame.pts - round(self.origin / frame.time_base)
        encoded.duration = frame.duration or 0
        self._captions.take(encoded.pts * encoded.time_base, frame.captions)
        with writing(self._name):
            return self._completed(self.context.encode(encoded))

    def finish(self) -> list[Packet[Any]]:
        """The packets that the encoder still held back. Errors as for `code`."""
        with writing(self._name):
            return self._completed(_timed(self.context.encode(None)))

    def _completed(self, packets: Sequence[Packet[Any]]) -> list[Packet[Any]]:
        """The packets with what the encoder does not write."""
        if self.encoder.codec == "dnxhd":
            packets = [with_matrix(packet, self._to_samples.matrix) for packet in packets]
        return [self._captions.with_captions(packet) for packet in packets]


def encoder_of(suffix: str, source: Source, size: tuple[int, int], wish: Wish) -> Encoder:
    """What codes the frames of a source into a container; arguments as in `choose_encoder`."""
    if not isinstance(source, VideoSource):
        return choose_encoder(suffix, source.info, size, wish, Light(), hdr=False)
    return choose_encoder(suffix, source.info, size, wish, source.light, hdr=source.tags.hdr)


def coding_rate(source: Source) -> Fraction:
    """Frames a second, as encoders take it."""
    return (source.info.fps or _DEFAULT_RATE).limit_denominator(_LARGEST_DENOMINATOR)


def coding_options(encoder: Encoder) -> dict[str, str]:
    """The options of an encoder on this processor."""
    options = dict(encoder.options)
    if encoder.codec == "libx264" and _has_avx512():
        # Its code for AVX-512 weighs blocks in another order of sums, so that the same frames may give other bytes.
        options["x264-params"] = ":".join(filter(None, [options.get("x264-params", ""), "asm=AVX2"]))
    return options


def encoder_identity(encoder: Encoder) -> Mapping[str, Any]:
    """All that decides, beside the frames, about what an encoder gives. For JSON."""
    return {
        "codec": encoder.codec,
        "layout": encoder.layout,
        "options": dict(encoder.options),
        "repeats": encoder.repeats,
        "version": av.__version__,
    }


def free_context(encoder: Encoder, source: Source) -> CodecContext:
    """A context of an encoder that is in no container; its headers are kept apart, as all our containers want them."""
    context = CodecContext.create(encoder.codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.framerate = coding_rate(source)
    context.options = coding_options(encoder)
    context.flags |= Flags.global_header
    return context


def _timed(packets: Sequence[Packet[Any]]) -> Sequence[Packet[Any]]:
    """The last packets, with times of decoding that can be.

    x265 gives two frames, where there are no more, what happens to be in its memory.
    """
    times = [(packet.pts, packet.dts) for packet in packets if packet.pts is not None and packet.dts is not None]
    if len(packets) == len(times) == 2 and any(dts > pts for pts, dts in times):
        # They come in the order of decoding, which may be the other one.
        (first, _), (second, _) = times
        packets[0].dts = first if first < second else 2 * second - first
        packets[1].dts = second
    return packets


def flatten(image: Pixels, background: int) -> Pixels:
    """(H, W, 3) of an (H, W, 4) image over a gray of `background` (0…255), in the image's own type."""
    peak = np.iinfo(image.dtype).max
    alpha = image[..., 3:].astype(np.float32) / peak
    shown = image[..., :3] * alpha + background / 255 * peak * (1 - alpha)
    return np.rint(shown).astype(image.dtype)


@cache
def _has_avx512() -> bool:
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return False
