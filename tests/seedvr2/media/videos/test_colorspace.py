"""Colours survive: every matrix, range and layout is read exactly, and BT.709 bars come back within 2 levels."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from seedvr2.media.videos.color_tags import ColorTags
from seedvr2.media.videos.colorspace import YuvWriter
from tests.seedvr2.media import clips

PATCH = 16
COLOURS = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 3, indexing="ij"), -1).reshape(8, 8, 3)
PATCHES = COLOURS.repeat(PATCH, 0).repeat(PATCH, 1)
LAYOUTS = [
    ("yuv420p", 8, 2, 2),
    ("yuv422p", 8, 1, 2),
    ("yuv444p", 8, 1, 1),
    ("yuv420p10le", 10, 2, 2),
    ("yuv422p10le", 10, 1, 2),
    ("yuv444p12le", 12, 1, 1),
]


def coded(rgb: np.ndarray, matrix: int, full: bool, layout: str, bits: int, down: int, across: int) -> list[np.ndarray]:
    codes = np.rint(clips.encode_yuv(rgb, matrix, full=full, bits=bits)).clip(0, 2**bits - 1)
    codes = codes.astype(np.uint8 if bits == 8 else np.uint16)
    return [codes[..., 0], codes[::down, ::across, 1], codes[::down, ::across, 2]]


def centres(image: np.ndarray) -> np.ndarray:
    """One pixel of each patch, far from the next one's chroma."""
    return image[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]


@pytest.mark.parametrize(("layout", "bits", "down", "across"), LAYOUTS)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 6, 7, 9])
def test_tagged_video_is_read_exactly(
    tmp_path: Path, matrix: int, full: bool, layout: str, bits: int, down: int, across: int
) -> None:
    planes = coded(PATCHES, matrix, full, layout, bits, down, across)
    clip = clips.write_video(
        tmp_path / "clip.mkv",
        [clips.frame_of(planes, layout)],
        codec="ffv1",
        layout=layout,
        options={},
        tags=(2, 2, matrix, 2 if full else 1),
    )
    source = open_source(clip)
    image = next(source.frames()).image
    whole = np.stack([planes[0], *(part.repeat(down, 0).repeat(across, 1) for part in planes[1:])], -1)
    exact = clips.decode_yuv(centres(whole), matrix, full=full, bits=bits)
    peak = np.iinfo(image.dtype).max
    assert (source.info.bit_depth, peak) == (bits, 255 if bits == 8 else 65535)
    # Exact but for the rounding to 8 bits; with 16 bits to round to, a twentieth of a level.
    assert np.abs(centres(image) / peak - exact).max() * 255 < (0.55 if bits == 8 else 0.05)


@pytest.mark.parametrize(
    ("layout", "bits", "tag", "full"),
    [
        ("gray", 8, 2, True),
        ("gray", 8, 1, False),
        ("gray", 8, 0, True),
        ("gray10le", 10, 1, False),
        ("gray12le", 12, 2, True),
    ],
)
def test_gray_is_expanded_by_its_range(tmp_path: Path, layout: str, bits: int, tag: int, full: bool) -> None:
    levels = np.linspace(0, 1, 64)[None].repeat(16, 0)
    unit, top = 2 ** (bits - 8), 2**bits - 1
    codes = np.rint(levels * top if full else (16 + 219 * levels) * unit).astype(np.uint8 if bits == 8 else np.uint16)
    clip = clips.write_video(
        tmp_path / "gray.mkv",
        [clips.frame_of([codes], layout)],
        codec="ffv1",
        layout=layout,
        options={},
        tags=(2, 2, 2, tag),
    )
    image = next(open_source(clip).frames()).image
    exact = codes / top if full else (codes / unit - 16) / 219
    assert (image == image[..., :1]).all()
    assert np.abs(image[..., 0] / np.iinfo(image.dtype).max - exact).max() * 255 < (0.55 if bits == 8 else 0.05)


@pytest.mark.parametrize(
    ("width", "height", "primaries", "matrix"), [(64, 48, 2, 6), (1280, 16, 2, 1), (64, 48, 1, 1), (1280, 16, 6, 6)]
)
def test_untagged_video_is_read_by_its_primaries_or_size(
    tmp_path: Path, width: int, height: int, primaries: int, matrix: int
) -> None:
    rgb = np.broadcast_to(np.array([0.8, 0.3, 0.2]), (height, width, 3))
    planes = coded(rgb, matrix, False, "yuv444p", 8, 1, 1)
    clip = clips.write_video(
        tmp_path / "clip.mkv",
        [clips.frame_of(planes, "yuv444p")],
        codec="ffv1",
        layout="yuv444p",
        options={},
        tags=(primaries, 2, 2, 0),
    )
    image = next(open_source(clip).frames()).image
    assert np.abs(image[0, 0] / 255 - rgb[0, 0]).max() * 255 < 1.5


def test_matrix_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    plane = np.full((16, 16), 128, np.uint8)
    frame = clips.frame_of([plane] * 3, "yuv444p")
    clip = clips.write_video(
        tmp_path / "ycgco.mkv", [frame], codec="ffv1", layout="yuv444p", options={}, tags=(1, 1, 8, 1)
    )
    with pytest.raises(MediaError, match=r"ycgco\.mkv uses a colour matrix"):
        open_source(clip)


@pytest.mark.parametrize(("codec", "muxer"), [("libx264", "mp4"), ("ffv1", "matroska"), ("libvpx-vp9", "webm")])
def test_chroma_is_read_where_it_lies(tmp_path: Path, codec: str, muxer: str) -> None:
    """The blue of a ramp sampled at even columns, as these codecs mean it, lies on the ramp's own line."""
    size = 256
    x = np.arange(size)
    # Noise before rounding, averaged away below, lets 8 bits tell a tenth of a pixel.
    noise = np.random.default_rng(3).random((size // 2, size // 2)) - 0.5
    chroma = np.rint(30 + 0.75 * x[::2] + noise).astype(np.uint8)
    planes = [np.full((size, size), 128, np.uint8), chroma, np.full_like(chroma, 128)]
    options = {"libx264": {"qp": "0"}, "ffv1": {}, "libvpx-vp9": {"lossless": "1", "cpu-used": "8"}}[codec]
    clip = clips.write_video(
        tmp_path / "ramp",
        [clips.frame_of(planes, "yuv420p")],
        codec=codec,
        options=options,
        muxer=muxer,
        tags=(1, 1, 1, 1),
    )
    image = next(open_source(clip).frames()).image
    codes = np.stack([np.full(size, 128.0), 30 + 0.75 * x, np.full(size, 128.0)], -1)
    line = clips.decode_yuv(codes, 1, full=False, bits=8)[:, 2] * 255
    middle = slice(60, 150)
    slope = np.diff(line[middle]).mean()
    assert abs((image[:, middle, 2].mean(0) - line[middle]).mean() / slope) < 0.1


def test_chroma_is_written_where_h264_expects_it() -> None:
    """A single blue column or row pulls at the chroma samples around it as their distance says."""
    size, at = 64, 32
    writer = YuvWriter(size, size, ColorTags())

    def pull(row: slice | int, column: slice | int) -> np.ndarray:
        image = np.full((size, size, 3), 128, np.uint8)
        base = clips.planes_of(writer(image))[1].astype(int)
        image[row, column, 2] = 255
        return clips.planes_of(writer(image))[1].astype(int) - base

    everything = slice(None)
    across = [pull(everything, column)[16] for column in (at - 1, at, at + 1)]
    assert across[1][16] > 1.5 * across[0][16], "the sample lies on the even column"
    assert abs(across[0][16] - across[2][16]) <= 1, "its neighbours are equally far"
    down = [pull(row, everything)[:, 16] for row in (at - 1, at, at + 1, at + 2)]
    assert abs(down[1][16] - down[2][16]) <= 1, "it lies midway between two rows"
    assert abs(down[0][16] - down[3][16]) <= 1


def test_rgb_is_written_exactly() -> None:
    image = np.rint(PATCHES * 255).astype(np.uint8)
    for tags in (ColorTags(), ColorTags(matrix=9, primaries=9, transfer=16)):
        frame = YuvWriter(image.shape[1], image.shape[0], tags)(image)
        exact = clips.encode_yuv(centres(image) / 255, tags.matrix, full=False, bits=8)
        luma, *chroma = clips.planes_of(frame)
        assert np.abs(centres(luma) - exact[..., 0]).max() < 0.55
        for number, plane in enumerate(chroma):
            assert np.abs(plane[4::8, 4::8] - exact[..., 1 + number]).max() < 0.55
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (
            tags.primaries,
            tags.transfer,
            tags.matrix,
            1,
        )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("layout", ["yuv420p10le", "yuv422p10le", "yuva444p10le"])
def test_rgb_and_alpha_are_written_exactly_in_ten_bits(layout: str, depth: int) -> None:
    alpha = layout.startswith("yuva")
    top = 2**depth - 1
    image = np.rint(PATCHES * top).astype(np.uint8 if depth == 8 else np.uint16)
    if alpha:
        image = np.concatenate([image, image[::-1, :, :1]], -1)
    frame = YuvWriter(image.shape[1], image.shape[0], ColorTags(), layout)(image)
    exact = clips.encode_yuv(centres(image[..., :3]) / top, 1, full=False, bits=10)
    planes = [
        np.frombuffer(plane, np.uint16).reshape(-1, plane.line_size // 2)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
    assert np.abs(centres(planes[0]) - exact[..., 0]).max() < 0.6
    for number in (1, 2):
        down, across = (image.shape[0] // planes[1].shape[0], image.shape[1] // planes[1].shape[1])
        values = planes[number][8 // down :: 16 // down, 8 // across :: 16 // across]
        assert np.abs(values - exact[..., number]).max() < 0.6
    if alpha:
        assert np.abs(planes[3] - image[..., 3] / top * 1023).max() < 0.6


def bars_clip(path: Path, tags: tuple[int, int, int, int], layout: str = "yuv420p", bits: int = 8) -> np.ndarray:
    """Writes three frames of colour bars without loss; returns their exact RGB from 0 to 1."""
    rgb = clips.color_bars()
    down, across = (2, 2) if "420" in layout else (1, 1)
    planes = coded(rgb, tags[2], tags[3] == 2, layout, bits, down, across)
    frames = [clips.frame_of(planes, layout) for _ in range(3)]
    codec = "libx264" if bits == 8 else "libx265"
    options = {"qp": "0"} if bits == 8 else {"x265-params": "lossless=1:log-level=none", "preset": "ultrafast"}
    clips.write_video(path, frames, codec=codec, layout=layout, options=options, tags=tags)
    return rgb


def interior(image: np.ndarray) -> np.ndarray:
    """The middle of each bar: chroma of 4:2:0 blurs the edges of any colour bar by right."""
    rows = [image[12:20], image[44:52], image[76:84]]
    return np.stack([row.reshape(8, 8, 40, -1)[:, :, 16:24] for row in rows])


@pytest.mark.parametrize(
    ("tags", "layout", "bits", "written"),
    [
        ((1, 1, 1, 1), "yuv420p", 8, (1, 1, 1, 1)),
        ((1, 1, 1, 1), "yuv444p", 8, (1, 1, 1, 1)),
        ((1, 1, 1, 2), "yuv420p", 8, (1, 1, 1, 1)),
        ((6, 6, 6, 1), "yuv420p", 8, (6, 6, 1, 1)),
        ((2, 2, 6, 1), "yuv420p", 8, (1, 1, 1, 1)),
        ((9, 16, 9, 1), "yuv420p10le", 10, (9, 16, 9, 1)),
        ((9, 18, 9, 1), "yuv420p10le", 10, (9, 18, 9, 1)),
    ],
    ids=["bt709", "bt709-444", "bt709-full", "bt601", "bt601-matrix-only", "pq", "hlg"],
)
def test_colour_bars_come_back_within_two_levels(
    tmp_path: Path, tags: tuple[int, int, int, int], layout: str, bits: int, written: tuple[int, int, int, int]
) -> None:
    rgb = bars_clip(tmp_path / "bars.mp4", tags, layout, bits)
    _, sink = clips.upscale(tmp_path / "bars.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        told = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        frame = next(container.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == written
        codes = frame.reformat(format="yuv444p" if bits == 8 else "yuv444p16le").to_ndarray(channel_last=True)
    assert told == written
    # By formula, not by our own reader, so that two mistakes cannot make up for each other.
    decoded = clips.decode_yuv(codes, written[2], full=False, bits=8 if bits == 8 else 16)
    # Coded anew by another matrix or range, each sample is rounded twice; the wrong one would be 20 levels off.
    assert np.abs(interior(decoded) - interior(rgb)).max() * 255 <= (2 if tags[2:] == written[2:] else 3.5)
    if tags == (1, 1, 1, 1) and layout == "yuv420p":
        original = coded(rgb, 1, False, layout, 8, 2, 2)[0]
        assert np.abs(interior(codes[..., :1]) - interior(original[..., None]).astype(int)).max() <= 2
    assert not sink.warnings
