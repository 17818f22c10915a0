"""Makes small video files of every kind, with exactly known contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from seedvr2.media import open_sink, open_source
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.options import UpscaleOptions

FAST = {"preset": "ultrafast", "crf": "10"}
NTSC = Fraction(30000, 1001)
# K_r and K_b of ITU-T H.273, by the number of the matrix.
LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
BARS = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], float)


def color_bars(width: int = 320, height: int = 96) -> NDArray[np.float64]:
    """Bars of 100 % above, 75 % below, and a ramp of grays at the bottom; RGB from 0 to 1."""
    third = height // 3
    columns = np.repeat(BARS, width // 8, axis=0)
    ramp = np.repeat(np.linspace(0, 1, width // 16)[:, None].repeat(3, 1), 16, axis=0)
    return np.concatenate([np.repeat(row[None], third, 0) for row in (columns, columns * 0.75, ramp)])


def encode_yuv(rgb: NDArray[np.float64], matrix: int, *, full: bool, bits: int) -> NDArray[np.float64]:
    """Y'CbCr codes of (…, 3) RGB from 0 to 1, by the formulas of H.273, not rounded."""
    kr, kb = LUMA[matrix]
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    unit, top = 2 ** (bits - 8), 2**bits - 1
    if full:
        return np.stack([luma * top, *(part * top + 128 * unit for part in chroma)], -1)
    return np.stack([(16 + 219 * luma) * unit, *((128 + 224 * part) * unit for part in chroma)], -1)


def decode_yuv(codes: NDArray[Any], matrix: int, *, full: bool, bits: int) -> NDArray[np.float64]:
    """RGB from 0 to 1 of (…, 3) Y'CbCr codes: the inverse of `encode_yuv`."""
    kr, kb = LUMA[matrix]
    unit, top = 2 ** (bits - 8), 2**bits - 1
    luma, *chroma = np.moveaxis(codes.astype(float), -1, 0)
    if full:
        luma, chroma = luma / top, [(part - 128 * unit) / top for part in chroma]
    else:
        luma, chroma = (luma / unit - 16) / 219, [(part / unit - 128) / 224 for part in chroma]
    red, blue = luma + 2 * (1 - kr) * chroma[1], luma + 2 * (1 - kb) * chroma[0]
    return np.stack([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], -1).clip(0, 1)


def frame_of(planes: Sequence[NDArray[Any]], layout: str) -> av.VideoFrame:
    """A frame with exactly these planes."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, layout)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
        stored = np.ascontiguousarray(values).view(np.uint8).reshape(values.shape[0], -1)
        rows[: stored.shape[0], : stored.shape[1]] = stored
        plane.update(rows.tobytes())
    return frame


def planes_of(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """The planes of an 8-bit planar frame."""
    return [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in frame.planes]


def picture(width: int, height: int, index: int = 0) -> NDArray[np.uint8]:
    """A smooth picture without any symmetry, different for each index; all its values are between 20 and 230."""
    y, x = np.mgrid[:height, :width]
    red = 40 + 150 * x / max(width - 1, 1)
    green = 40 + 150 * y / max(height - 1, 1)
    blue = 60 + 7 * (index % 20) + 40 * ((x < width // 3) & (y < height // 4))
    return np.stack([red, green, blue], -1).round().astype(np.uint8)


def write_video(
    path: Path,
    frames: Sequence[Any],
    *,
    codec: str = "libx264",
    layout: str = "yuv420p",
    rate: Fraction = NTSC,
    options: Mapping[str, str] | None = None,
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    durations: Sequence[int] | None = None,
    tags: tuple[int, int, int, int] | None = None,
    aspect: Fraction | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    audio: Sequence[tuple[str, Mapping[str, str]]] = (),
    audio_seconds: float | None = None,
    container_options: Mapping[str, str] | None = None,
    muxer: str | None = None,
) -> Path:
    """A video of frames, which are RGB(A) arrays or `av.VideoFrame`s of `layout`.

    `tags`: primaries, transfer, matrix, range. `audio`: codec and tags of each track, a tone each.
    """
    with av.open(str(path), "w", format=muxer, container_options=dict(container_options or {})) as output:
        stream = output.add_stream(codec, rate, options=dict(FAST if options is None else options))
        first = frames[0]
        height, width = (first.height, first.width) if isinstance(first, av.VideoFrame) else first.shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, layout
        context = stream.codec_context
        context.time_base = time_base or 1 / rate
        context.flags |= av.codec.context.Flags.frame_duration
        if tags:
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        if aspect:
            context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(*rotation)
        tracks = [output.add_stream(name, 48000, options={"strict": "experimental"}) for name, _ in audio]
        for track, (_, track_tags) in zip(tracks, audio, strict=True):
            track.bit_rate = 96_000
            track.metadata.update(track_tags)
        for index, content in enumerate(frames):
            frame = content if isinstance(content, av.VideoFrame) else _converted(content, layout)
            frame.pts = times[index] if times else index
            frame.time_base = time_base or 1 / rate
            frame.duration = durations[index] if durations else (0 if times else 1)
            if tags:
                frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = tags
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        for number, track in enumerate(tracks):
            _write_tone(output, track, audio_seconds or float(len(frames) / rate), 220 * (number + 1))
    return path


def _converted(image: NDArray[np.uint8], layout: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgba" if image.shape[2] == 4 else "rgb24")
    return frame.reformat(format=layout, dst_colorspace=6)


def _write_tone(output: av.container.OutputContainer, track: Any, seconds: float, hertz: float) -> None:
    time = np.arange(round(seconds * 48000)) / 48000
    tone = (0.2 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    sound = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
    sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
    output.mux(track.encode(sound))
    output.mux(track.encode(None))


def upscale(source: Path, target: Path, **options: Any) -> tuple[Source, Sink]:
    """Runs a video through reader and writer without changing its size."""
    with open_source(source) as opened:
        width, height = opened.info.width, opened.info.height
        with open_sink(target, opened, width, height, UpscaleOptions(**options)) as sink:
            for frame in opened.frames():
                sink.write(fitted(frame.image, sink), frame)
    return opened, sink


def fitted(image: NDArray[Any], sink: Sink) -> NDArray[Any]:
    """An image in the depth that a writer wants."""
    if sink.bit_depth == 16:
        return image if image.dtype == np.uint16 else image.astype(np.uint16) * 257
    return image if image.dtype == np.uint8 else np.rint(image / 257).astype(np.uint8)


def packets(path: Path, index: int) -> list[av.Packet[Any]]:
    """All packets of a stream."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(container.streams[index]) if packet.size]


def times(path: Path) -> list[Fraction]:
    """When each frame of the video is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]
