"""Each row of the table of videos, tried with a source that carries it and every format that can be written."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from seedvr2.media import open_sink, open_source
from seedvr2.media.carried import ebml
from seedvr2.media.carried.boxes import payload, walk
from seedvr2.media.carried.item import Fate
from seedvr2.media.carried.videos import VIDEO, VIDEO_FORMATS, VIDEO_ITEMS
from seedvr2.media.videos.light import Light
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
FORMATS = VIDEO_FORMATS


def case(name: str) -> Callable[[Path], Path]:
    return lambda folder: CASES / name


def frames(count: int = 6) -> list[Any]:
    return [clips.picture(64, 32, index) for index in range(count)]


def remuxed(folder: Path, suffix: str = ".mkv", change: Callable[[Any, dict[int, Any]], None] | None = None) -> Path:
    """A clip with sound, written again with what `change` does to the output and its streams."""
    clip = clips.write_video(folder / "clip.mp4", frames(), audio=[("aac", {})])
    target = folder / f"source{suffix}"
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        copies = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        if change:
            change(output, copies)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)
    return target


def with_tags(folder: Path) -> Path:
    def change(output: Any, copies: dict[int, Any]) -> None:
        output.metadata.update(title="A film", artist="Ada", comment="Äh", creation_time="2024-05-06T05:08:09.000000Z")

    return remuxed(folder, change=change)


def with_track_tags(folder: Path) -> Path:
    def change(output: Any, copies: dict[int, Any]) -> None:
        copies[1].metadata.update(REPLAYGAIN_TRACK_GAIN="-3.00 dB", language="ger")
        copies[1].disposition = av.stream.Disposition.hearing_impaired

    return remuxed(folder, change=change)


def with_user_data(folder: Path) -> Path:
    """The movie is the last box of the file, and its user data the last in it."""
    path = remuxed(folder, ".mp4")
    data = bytearray(path.read_bytes())
    added = b"\0\0\0\x0fSDLNabc\0\1\2\3"
    for kind in (b"moov", b"udta"):
        place = data.rindex(kind) - 4
        data[place : place + 4] = (int.from_bytes(data[place : place + 4], "big") + len(added)).to_bytes(4, "big")
    path.write_bytes(data + added)
    return path


def with_cover(folder: Path) -> Path:
    def change(output: Any, copies: dict[int, Any]) -> None:
        cover = output.add_stream("mjpeg", 1)
        cover.width, cover.height, cover.pix_fmt = 48, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(clips.picture(48, 48), "rgb24").reformat(format="yuvj420p")
        output.mux(cover.encode(frame) + cover.encode(None))

    return remuxed(folder, ".mp4", change)


def with_stream(codec: str, content: bytes, suffix: str = ".mkv") -> Callable[[Path], Path]:
    def change(output: Any, copies: dict[int, Any]) -> None:
        data = codec in ("klv", "bin_data")
        stream = output.add_data_stream(codec) if data else output.add_mux_stream(codec)
        packet: Any = av.Packet(content)
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        packet.duration, packet.time_base = 100, Fraction(1, 1000)
        output.start_encoding()
        output.mux(packet)

    return lambda folder: remuxed(folder, suffix, change)


def with_protected_sound(folder: Path) -> Path:
    path = remuxed(folder, ".mp4")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"enca"))
    return path


def with_two_videos(folder: Path) -> Path:
    path = folder / "two.mkv"
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("libx264", 25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
            stream.options = dict(clips.FAST)
        for index in range(6):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(clips.picture(64, 32, index), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def with_xmp(folder: Path) -> Path:
    path = remuxed(folder, ".mp4")
    content = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x:xmpmeta/>"
    with path.open("ab") as file:
        file.write((len(content) + 8).to_bytes(4, "big") + b"uuid" + content)
    return path


def with_second_view(folder: Path) -> Path:
    """What the file says of the shape of its pixels becomes what it says of another layer."""
    path = wide(folder)
    path.write_bytes(path.read_bytes().replace(b"pasp", b"mvcC"))
    return path


def with_element(parent: str, added: bytes) -> Callable[[Path], Path]:
    """A Matroska file with another element at the beginning of the one that is called so."""

    def make(folder: Path) -> Path:
        data = (CASES / "46_ass_font_chapters.mkv").read_bytes()
        with (CASES / "46_ass_font_chapters.mkv").open("rb") as file:
            found = {element.name: element for element in ebml.walk(file)}
        # Segment, and where they are the chapters, have sizes of eight bytes or one; the directory is left as it is.
        path, grown = folder / "changed.mkv", bytearray(data)
        grown[found[parent].offset : found[parent].offset] = added
        for name in found[parent].path:
            element = found[name]
            width = 1 if grown[element.offset - 1] & 0x80 and grown[element.offset - 8] != 1 else 8
            size = element.size + len(added) | 1 << 7 * width
            grown[element.offset - width : element.offset] = size.to_bytes(width, "big")
        path.write_bytes(grown)
        return path

    return make


def turned(folder: Path) -> Path:
    return clips.write_video(folder / "turned.mp4", frames(), rotation=(90, False, False))


def wide(folder: Path) -> Path:
    return clips.write_video(folder / "wide.mp4", frames(), aspect=Fraction(2))


def read(path: Path) -> dict[str, Any]:
    """What PyAV finds in a file."""
    with av.open(str(path)) as container:
        container_tags = {key.lower(): text for key, text in container.metadata.items()}
        streams = list(container.streams)
        found: dict[str, Any] = {
            "tags": container_tags,
            "chapters": [chapter["metadata"].get("title") for chapter in container.chapters()],
            "codecs": [s.codec_context.codec.canonical_name if s.codec_context else s.type for s in streams],
            "languages": [s.language for s in streams],
            "sound": [s.disposition for s in container.streams.audio],
            "timecode": {k.lower(): v for k, v in container.streams.video[0].metadata.items()}.get("timecode"),
            "covers": sum(bool(s.disposition & av.stream.Disposition.attached_pic) for s in streams),
            "files": [bytes(s.data) for s in streams if s.type == "attachment"],
            "size": (container.streams.video[0].width, container.streams.video[0].height),
            "aspect": container.streams.video[0].sample_aspect_ratio,
        }
        decoded: Any = [frame.side_data for frame in container.decode(video=0)]
    found["frames"] = [{entry.type.name: bytes(entry) for entry in each} for each in decoded]
    return found


def light_of(path: Path) -> Light:
    with open_source(path) as source:
        return source.light  # type: ignore[attr-defined]


def exif(path: Path) -> dict[str, Any]:
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool")
    done = subprocess.run(["exiftool", "-j", "-G1", str(path)], capture_output=True, check=True, text=True)
    return dict(json.loads(done.stdout)[0])


def stored_box(path: Path, *parents: str) -> bytes:
    with path.open("rb") as file:
        return next(payload(file, box) for box in walk(file) if box.path == parents)


def has_track_tags(path: Path) -> bool:
    if path.suffix in (".mp4", ".mov"):
        return b"-3.00 dB" in stored_box(path, "moov", "trak", "meta", "ilst")
    with av.open(str(path)) as container:
        return container.streams.audio[0].metadata["REPLAYGAIN_TRACK_GAIN"] == "-3.00 dB"


def has_origin(path: Path) -> bool:
    tags = read(path)["tags"]
    apple = "com.apple.quicktime."
    return (
        tags[apple + "location.iso6709"] == "+10.5000+020.2500+005.000/"
        and tags[apple + "creationdate"] == "2024-05-06T07:08:09+0200"
        and (tags[apple + "make"], tags[apple + "model"]) == ("Apple", "Phone 1")
        and tags["location"].startswith("+10.5000+020.2500")
    )


@dataclass(frozen=True)
class Row:
    """How an item is tried: `holds` is asked where it is kept, adjusted or applied; `telling` is in the warning."""

    source: Callable[[Path], Path]
    holds: Callable[[Path], bool] = lambda path: False
    telling: str = ""
    side_data: dict[str, bytes] = field(default_factory=dict)


ROWS = {
    "tags": Row(
        with_tags,
        lambda path: [read(path)["tags"][key] for key in ("title", "artist", "comment")] == ["A film", "Ada", "Äh"],
    ),
    "origin": Row(case("11_phone_keys.mov"), has_origin),
    "keys": Row(
        case("11_phone_keys.mov"),
        lambda path: read(path)["tags"]["com.apple.quicktime.content.identifier"].endswith("0001"),
    ),
    "track_tags": Row(with_track_tags, has_track_tags),
    "maker": Row(with_user_data, lambda path: stored_box(path, "moov", "udta", "SDLN") == b"abc\0\1\2\3"),
    "xmp": Row(with_xmp, lambda path: stored_box(path, "uuid").endswith(b"<x:xmpmeta/>"), "xmp"),
    "second_view": Row(with_second_view),
    "ordered_chapters": Row(with_element("EditionEntry", b"\x45\xdd\x81\x01")),
    "linked": Row(with_element("Info", b"\x3c\xb9\x23\x90" + bytes(range(16)))),
    "creation_time": Row(with_tags, lambda path: read(path)["tags"]["creation_time"] == "2024-05-06T05:08:09.000000Z"),
    "language": Row(with_track_tags, lambda path: read(path)["languages"][1] == "ger"),
    "disposition": Row(
        with_track_tags, lambda path: bool(read(path)["sound"][0] & av.stream.Disposition.hearing_impaired)
    ),
    "chapters": Row(case("46_ass_font_chapters.mkv"), lambda path: len(read(path)["chapters"]) == 2),
    "cover": Row(with_cover, lambda path: read(path)["covers"] == 1),
    "attachment": Row(case("46_ass_font_chapters.mkv"), lambda path: len(read(path)["files"]) == 1, "fake.ttf"),
    "sound": Row(remuxed, lambda path: read(path)["codecs"][1] == ("opus" if path.suffix == ".webm" else "aac")),
    "text": Row(
        with_stream("subrip", b"Hello"), lambda path: read(path)["codecs"][2] in ("mov_text", "subrip", "webvtt")
    ),
    "style": Row(case("46_ass_font_chapters.mkv"), lambda path: "ass" in read(path)["codecs"], "lost its look"),
    "bitmaps": Row(
        with_stream("hdmv_pgs_subtitle", b"\x80\0\0"), lambda path: "hdmv_pgs_subtitle" in read(path)["codecs"], "pgs"
    ),
    "captions": Row(
        case("20_captions.m2v"),
        lambda path: (
            [each["A53_CC"] for each in read(path)["frames"]]
            == [each["A53_CC"] for each in read(CASES / "20_captions.m2v")["frames"]]
        ),
    ),
    "projection": Row(case("12_spherical.mp4"), lambda path: read(path)["frames"][0]["SPHERICAL"] == bytes(36)),
    "stereo": Row(case("12_spherical.mp4"), lambda path: read(path)["frames"][0]["STEREO3D"][:8] == b"\2" + bytes(7)),
    "timecode": Row(case("15_timecode.mov"), lambda path: read(path)["timecode"] == "10:20:30:05"),
    "telemetry": Row(
        with_stream("bin_data", b"DEVC\0\0\0\0", ".mp4"),
        lambda path: [bytes(packet) for packet in clips.packets(path, 2)] == [b"DEVC\0\0\0\0"],
    ),
    "data": Row(with_stream("klv", b"\x06\x0e\x2b\x34" + bytes(13), ".ts")),
    "unknown": Row(case("17_apac.mp4")),
    "protected": Row(with_protected_sound),
    "other_video": Row(with_two_videos, telling="more than one video track"),
    "mastering": Row(
        case("42_hdr10.mp4"),
        lambda path: light_of(path) == light_of(CASES / "42_hdr10.mp4") != Light(),
    ),
    # No encoder here writes these.
    "hdr10plus": Row(remuxed, side_data={"DYNAMIC_HDR_PLUS": b""}),
    "hdr_vivid": Row(remuxed, side_data={"DYNAMIC_HDR_VIVID": b""}),
    "ambient": Row(remuxed, side_data={"AMBIENT_VIEWING_ENVIRONMENT": b""}),
    "active_format": Row(remuxed, side_data={"AFD": b"\x08"}),
    "rotation": Row(
        turned, lambda path: read(path)["size"] == (32, 64) and "DISPLAYMATRIX" not in read(path)["frames"][0]
    ),
    "aspect": Row(wide, lambda path: read(path)["size"] == (128, 32) and read(path)["aspect"] in (None, 1)),
}
# Told by the reader of the video, in words of its own.
ELSEWHERE = {"dolby_vision"}


def convert(source: Path, target: Path, side_data: dict[str, bytes], codec: str = "auto") -> list[str]:
    """Runs a video through reader and writer in its shape with square pixels; returns the warnings."""
    with open_source(source) as opened:
        if side_data:
            opened.side_data = {**opened.side_data, **side_data}  # type: ignore[attr-defined]
        width, height = opened.info.width, opened.info.height
        with open_sink(
            target, opened, width, height, UpscaleOptions(output_format=target.suffix[1:], video_codec=codec)
        ) as sink:
            for frame in opened.frames():
                shown = np.repeat(frame.image, width // frame.image.shape[1], axis=1).astype(np.float64)
                unit = 257 if frame.image.dtype == np.uint16 else 1
                whole = shown / unit if sink.bit_depth == 8 else shown * 257 / unit
                sink.write(np.rint(whole).astype(np.uint8 if sink.bit_depth == 8 else np.uint16), frame)
    return [*opened.warnings, *sink.warnings]


def test_every_item_is_tried() -> None:
    assert set(ROWS) | ELSEWHERE == {item.key for item in VIDEO_ITEMS}
    assert len(VIDEO) == len(VIDEO_ITEMS)
    assert all(set(item.fates) <= set(VIDEO_FORMATS) for item in VIDEO_ITEMS)


@pytest.mark.parametrize("key", ROWS)
@pytest.mark.parametrize("result", FORMATS)
def test_an_item_comes_along_or_is_named(key: str, result: str, tmp_path: Path) -> None:
    row, item, target = ROWS[key], VIDEO[key], tmp_path / f"out.{result}"
    warnings = convert(row.source(tmp_path), target, row.side_data)
    telling = (row.telling or item.name).lower()
    named = any(telling in warning.lower() for warning in warnings)
    if item.fate(result) is Fate.TOLD:
        assert named, warnings
    else:
        assert row.holds(target)
        assert not named
    assert b"room for what comes here" not in target.read_bytes()


@pytest.mark.parametrize("result", [name for name in FORMATS if VIDEO["sound"].fate(name) is Fate.KEPT])
def test_a_source_with_nothing_special_gets_no_warning(result: str, tmp_path: Path) -> None:
    assert convert(remuxed(tmp_path, ".mp4"), tmp_path / f"out.{result}", {}) == []


def test_other_programs_find_what_phones_write(tmp_path: Path) -> None:
    for name in ("out.mp4", "out.mkv"):
        convert(CASES / "11_phone_keys.mov", tmp_path / name, {})
    found = exif(tmp_path / "out.mp4")
    assert found["Keys:GPSCoordinates"].startswith("10 deg 30' 0.00\" N, 20 deg 15'")
    assert found["Keys:CreationDate"] == "2024:05:06 07:08:09+02:00"
    assert (found["Keys:Make"], found["Keys:Model"]) == ("Apple", "Phone 1")
    found = exif(tmp_path / "out.mkv")
    assert (found["Matroska:Make"], found["Matroska:Model"]) == ("Apple", "Phone 1")
    assert found["Matroska:Location"] == "+10.5000+020.2500+005.000/"


def test_other_programs_find_the_projection(tmp_path: Path) -> None:
    convert(CASES / "12_spherical.mp4", tmp_path / "out.mp4", {})
    found = exif(tmp_path / "out.mp4")
    assert found["XMP-GSpherical:ProjectionType"] == "equirectangular"
    assert found["XMP-GSpherical:StereoMode"] == "top-bottom"
    assert found["Track1:Stereoscopic3D"] == "Stereoscopic Top-Bottom"


def test_matroska_made_here_is_well_formed(tmp_path: Path) -> None:
    """mkvmerge reads checksums, which readers of FFmpeg's pass over."""
    if not shutil.which("mkvmerge"):
        pytest.skip("needs mkvmerge")
    for name in ("12_spherical.mp4", "11_phone_keys.mov", "54_clip.wmv"):
        convert(CASES / name, tmp_path / f"{name}.mkv", {})
        done = subprocess.run(
            ["mkvmerge", "-o", str(tmp_path / "again.mkv"), str(tmp_path / f"{name}.mkv")], capture_output=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("result", ["mp4", "mkv"])
def test_hevc_keeps_mastering_data_and_captions(result: str, tmp_path: Path) -> None:
    warnings = convert(CASES / "42_hdr10.mp4", tmp_path / f"out.{result}", {}, "hevc")
    assert not any("mastering" in warning for warning in warnings)
    frame = read(tmp_path / f"out.{result}")["frames"][0]
    assert frame["CONTENT_LIGHT_LEVEL"] == read(CASES / "42_hdr10.mp4")["frames"][0]["CONTENT_LIGHT_LEVEL"]
    assert "MASTERING_DISPLAY_METADATA" in frame
    assert convert(CASES / "20_captions.m2v", tmp_path / f"captions.{result}", {}, "hevc") == []
    assert ROWS["captions"].holds(tmp_path / f"captions.{result}")


def with_old_keys(folder: Path) -> Path:
    """As older phones write them: texts with their lengths and languages, in the user data."""
    path = remuxed(folder, ".mp4")
    texts = {b"\xa9xyz": b"+48.8584+002.2945/", b"\xa9mak": b"Maker", b"\xa9mod": b"Model 2", b"\xa9day": b"2020-01-02"}
    added = b"".join(
        (len(text) + 12).to_bytes(4, "big") + kind + len(text).to_bytes(2, "big") + b"\x15\xc7" + text
        for kind, text in texts.items()
    )
    data = bytearray(path.read_bytes())
    for kind in (b"moov", b"udta"):
        place = data.rindex(kind) - 4
        data[place : place + 4] = (int.from_bytes(data[place : place + 4], "big") + len(added)).to_bytes(4, "big")
    path.write_bytes(data + added)
    return path


@pytest.mark.parametrize("result", FORMATS)
def test_what_older_phones_write_comes_along(result: str, tmp_path: Path) -> None:
    convert(with_old_keys(tmp_path), tmp_path / f"out.{result}", {})
    tags = read(tmp_path / f"out.{result}")["tags"]
    assert tags["com.apple.quicktime.location.iso6709"].startswith("+48.8584+002.2945")
    assert (tags["com.apple.quicktime.make"], tags["com.apple.quicktime.model"]) == ("Maker", "Model 2")
    assert tags["date"].startswith("2020-01-02")


def test_what_cameras_say_of_a_take_comes_along(tmp_path: Path) -> None:
    path, content = remuxed(tmp_path, ".mp4"), b"\0\0\0\x20hdlr" + bytes(8) + b"nrtm" + bytes(12) + b"\0\0\0\x0bxml abc"
    with path.open("ab") as file:
        file.write((len(content) + 8).to_bytes(4, "big") + b"meta" + content)
    assert convert(path, tmp_path / "out.mp4", {}) == []
    assert stored_box(tmp_path / "out.mp4", "meta") == content
    assert ["(meta)" in warning for warning in convert(path, tmp_path / "out.mkv", {})] == [True]


def test_tracks_of_a_kind_are_named_together(tmp_path: Path) -> None:
    def change(output: Any, copies: dict[int, Any]) -> None:
        for _ in range(3):
            output.add_data_stream("klv")

    warnings = convert(remuxed(tmp_path, ".ts", change), tmp_path / "out.mp4", {})
    assert len(warnings) == 1
    assert "number 3" in warnings[0]
    assert "number 5" in warnings[0]


def test_what_came_along_does_so_again(tmp_path: Path) -> None:
    """From mp4 to mkv and back: the names of either are understood in the other."""
    convert(CASES / "11_phone_keys.mov", tmp_path / "one.mkv", {})
    convert(tmp_path / "one.mkv", tmp_path / "two.mp4", {})
    assert has_origin(tmp_path / "two.mp4")
    with av.open(str(tmp_path / "two.mp4")) as container:
        assert "com.apple.quicktime.location.ISO6709" in container.metadata, "in its own spelling"
    convert(CASES / "12_spherical.mp4", tmp_path / "view.mkv", {})
    convert(tmp_path / "view.mkv", tmp_path / "view.mp4", {})
    assert ROWS["projection"].holds(tmp_path / "view.mp4")
    assert ROWS["stereo"].holds(tmp_path / "view.mp4")
