"""Interlaced frames lose their combs and keep their times; progressive ones are not touched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video.format import VideoFormat
from numpy.typing import NDArray

from seedvr2.media import Frame, open_source
from seedvr2.media.videos.deinterlacing import DONE, LEFT
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
RATE = Fraction(25)
COMBED, WHOLE = 5, 1.5  # how far a row is from the mean of its neighbours, in levels
H264 = {"codec": "libx264", "layout": "yuv420p"}
FIELDS = {"flags": "+ildct+ilme"}
KINDS = {
    "top.mp4": {**H264, "options": {"crf": "5", **FIELDS, "x264-params": "tff=1"}},
    "bottom.mkv": {**H264, "options": {"crf": "5", **FIELDS, "x264-params": "bff=1"}},
    "broadcast.ts": {"codec": "mpeg2video", "layout": "yuv422p", "options": {"qmax": "2", **FIELDS}},
    "prores.mov": {"codec": "prores_ks", "layout": "yuv422p10le", "options": {"flags": "+ildct", "field_order": "tt"}},
    "ffv1.mkv": {"codec": "ffv1", "layout": "yuv422p", "options": {"field_order": "tt"}},
    "raw.mov": {"codec": "rawvideo", "layout": "uyvy422", "options": {"field_order": "tt"}},
}


def scene(moment: int) -> NDArray[np.uint8]:
    """A bar that moves by 6 pixels from field to field, and a block that stands still."""
    image = np.full((96, 160, 3), 40, np.uint8)
    image[:, 20 + 6 * moment :][:, :40] = (220, 200, 60)
    image[40:56, 4:16] = (60, 90, 230)
    return image


def woven(index: int, *, bottom_first: bool = False) -> NDArray[np.uint8]:
    image = scene(2 * index)
    second = slice(0, None, 2) if bottom_first else slice(1, None, 2)
    image[second] = scene(2 * index + 1)[second]
    return image


def combing(frame: Frame) -> float:
    gray = frame.image.astype(float).mean(2) / (257 if frame.image.dtype == np.uint16 else 1)
    return float(np.abs(gray[1:-1] - (gray[:-2] + gray[2:]) / 2).mean())


def interlaced(path: Path, frames: int = 7, **how: Any) -> Path:
    kind, bottom_first = KINDS[path.name], path.name.startswith("bottom")
    layout = str(kind["layout"])
    graph = Graph()
    entry = graph.add_buffer(width=160, height=96, format=VideoFormat("rgb24"), time_base=1 / RATE)
    # Encoders write what their frames say of their fields.
    marked = graph.add("setfield", mode="bff" if bottom_first else "tff")
    graph.link_nodes(entry, marked, graph.add("format", layout), graph.add("buffersink"))
    graph.configure()
    pictures = []
    for index in range(frames):
        graph.push(av.VideoFrame.from_ndarray(woven(index, bottom_first=bottom_first), "rgb24"))
        pictures.append(graph.vpull())
    return clips.write_video(path, pictures, rate=RATE, **{**kind, **how})


def stamps(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", KINDS)
def test_combs_are_gone_and_times_stay(tmp_path: Path, name: str) -> None:
    clip = interlaced(tmp_path / name)
    source = open_source(clip)
    frames = list(source.frames())
    assert combing(Frame(woven(3))) > COMBED
    assert max(combing(frame) for frame in frames) < WHOLE
    assert [frame.pts for frame in frames] == stamps(clip)
    assert DONE in source.info.warnings
    # Each shows its first field's moment, not its neighbour's.
    bright = frames[3].image[48, 24:, 0].astype(float)
    assert abs(int(np.argmax(bright > bright.max() / 2)) + 24 - (20 + 6 * 6)) <= 1


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_come_whole(tmp_path: Path, frames: int) -> None:
    got = list(open_source(interlaced(tmp_path / "top.mp4", frames)).frames())
    assert len(got) == frames
    assert max(combing(frame) for frame in got) < WHOLE


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0, 3003, 4000, 40000, 40001, 90000, 90100]
    clip = interlaced(tmp_path / "top.mp4", times=times, time_base=Fraction(1, 90000))
    assert [frame.pts * frame.time_base * 90000 for frame in open_source(clip).frames()] == times


def test_progressive_frames_are_the_same_bits(tmp_path: Path) -> None:
    clip = clips.write_video(tmp_path / "clip.mkv", [woven(0), woven(1)], codec="ffv1", layout="bgr0", options={})
    source = open_source(clip)
    assert [np.array_equal(frame.image, woven(index)) for index, frame in enumerate(source.frames())] == [True, True]
    assert source.warnings == ()


def test_progressive_parts_of_a_mixed_video_are_the_same_bits(tmp_path: Path) -> None:
    """As where a broadcast goes from a film to the news."""
    film = clips.write_video(tmp_path / "film.h264", [woven(index) for index in range(4)], rate=RATE, **H264)
    interlaced(tmp_path / "top.mp4")
    with av.open(str(tmp_path / "news.h264"), "w", format="h264") as raw, av.open(str(tmp_path / "top.mp4")) as news:
        copy = raw.add_stream_from_template(news.streams.video[0])
        for packet in news.demux(news.streams.video[0]):
            if packet.size:
                packet.stream = copy
                raw.mux(packet)
    mixed = tmp_path / "mixed.h264"
    mixed.write_bytes(film.read_bytes() + (tmp_path / "news.h264").read_bytes() + film.read_bytes())
    source = open_source(mixed)
    frames = list(source.frames())
    alone = [frame.image for frame in open_source(film).frames()]
    assert len(frames) == 15
    assert all(np.array_equal(frame.image, image) for frame, image in zip(frames, alone, strict=False))
    assert all(np.array_equal(frame.image, image) for frame, image in zip(frames[-3:], alone[1:], strict=True))
    assert max(combing(frame) for frame in frames[5:10]) < WHOLE
    assert DONE in source.warnings


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    clip = interlaced(tmp_path / "ffv1.mkv")
    with open_source(clip, UpscaleOptions(deinterlace="off")) as source:
        assert min(combing(frame) for frame in source.frames()) > COMBED
    assert source.warnings == (LEFT,)


def test_dv_is_deinterlaced() -> None:
    source = open_source(CASES / "40_ntsc.dv")
    assert [frame.image.shape for frame in source.frames()] == [(480, 720, 3)] * 2
    assert DONE in source.warnings


def test_change_of_size_loses_no_frame(tmp_path: Path) -> None:
    options = {"crf": "10", **FIELDS, "x264-params": "tff=1"}
    data = b""
    for size in (64, 96):
        part = tmp_path / f"{size}.ts"
        clips.write_video(part, [clips.picture(size, size, index) for index in range(4)], options=options)
        data += part.read_bytes()
    (tmp_path / "both.ts").write_bytes(data)
    frames = list(open_source(tmp_path / "both.ts").frames())
    assert [frame.image.shape for frame in frames] == [(64, 64, 3)] * 8
