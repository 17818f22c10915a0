"""Clips in which a white frame and a tone begin at one moment, and when they do so in a result."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from seedvr2.media import open_sink, open_source
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.options import UpscaleOptions

RATE, HERTZ = 25, 48_000
FLASH = 10  # the white frame


class Moments(NamedTuple):
    """When white frames and tones begin, in seconds, and how many frames there are."""

    flashes: list[float]
    beeps: list[float]
    frames: int


def flash_and_beep(
    path: Path,
    *,
    video: tuple[str, dict[str, str]] = ("libx264", {"bf": "3"}),
    audio: str = "aac",
    size: tuple[int, int] = (96, 64),
    rate: Fraction = Fraction(RATE),
    late: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0)),
    muxer: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Two seconds with one flash and one beep; `late`: by how much picture and sound begin after zero."""
    with av.open(str(path), "w", format=muxer, container_options=options or {}) as output:
        pictures = output.add_stream(video[0], rate, options=video[1])
        pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
        sound = output.add_stream(audio, HERTZ, options={"strict": "experimental"})
        sound.bit_rate = 128_000
        packets: list[Any] = []
        shift = round(late[0] * rate)
        for index in range(round(2 * rate)):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, value in zip(frame.planes, (235 if index == FLASH else 16, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = index + shift, 1 / rate
            packets += pictures.encode(frame)
        packets += pictures.encode(None)
        time = np.arange(2 * HERTZ) / HERTZ
        start = float(FLASH / rate)
        tone = (0.5 * np.sin(2 * np.pi * 1000 * time) * ((time >= start) & (time < start + 0.1))).astype(np.float32)
        wave = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
        wave.sample_rate, wave.pts, wave.time_base = HERTZ, round(late[1] * HERTZ), Fraction(1, HERTZ)
        packets += [*sound.encode(wave), *sound.encode(None)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def upscale(source: Path, target: Path) -> tuple[Source, Sink]:
    """Runs a video through reader and writer, brought to its display size by repeating pixels."""
    with open_source(source) as opened:
        width, height = opened.info.width // 2 * 2, opened.info.height // 2 * 2
        options = UpscaleOptions(output_format="mkv" if target.suffix == ".mkv" else "mp4")
        with open_sink(target, opened, width, height, options) as sink:
            for frame in opened.frames():
                rows = np.arange(height) * frame.image.shape[0] // height
                columns = np.arange(width) * frame.image.shape[1] // width
                sink.write(np.ascontiguousarray(frame.image[rows][:, columns]), frame)
    return opened, sink


def moments(path: Path) -> Moments:
    """When flashes and beeps begin in a file."""
    with av.open(str(path)) as container:
        shown = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="gray").mean())
            for frame in container.decode(video=0)
        ]
    flashes = [now for (_, before), (now, light) in pairwise(shown) if light > 120 >= before]
    return Moments(flashes, _beeps(path), len(shown))


def _beeps(path: Path) -> list[float]:
    found: list[float] = []
    silent_since = -1.0
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", HERTZ)
        for frame in container.decode(audio=0):
            # The last one that a decoder of WMA held back has no time, in the source as in the copy.
            if frame.pts is None:
                continue
            start = float(frame.pts * frame.time_base)
            for part in resampler.resample(frame):
                for index in np.flatnonzero(np.abs(part.to_ndarray()[0]) > 0.08):
                    now = start + index / HERTZ
                    if now - silent_since > 0.2:
                        found.append(now)
                    silent_since = now
    return found
