"""How a video is looked at is read from every container, and written so that FFmpeg reads the same."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from seedvr2.media.videos.mkv_additions import element
from seedvr2.media.videos.mp4_additions import box
from seedvr2.media.videos.view import CUBEMAP, EQUIRECTANGULAR, MESH, View, read_view

NONE = Path("/dev/null")


def sphere(kind: int, yaw: int = 0, bounds: tuple[int, int, int, int] = (0, 0, 0, 0), padding: int = 0) -> bytes:
    return struct.pack("=iiiiIIIII", kind, yaw, 0, 0, *bounds, padding)


@pytest.mark.parametrize(
    ("kind", "flags", "number"), [(0, 0, 0), (1, 0, 1), (1, 1, 11), (2, 0, 3), (2, 1, 2), (3, 1, 14)]
)
def test_stereo_of_frames(kind: int, flags: int, number: int) -> None:
    assert read_view(NONE, {"STEREO3D": struct.pack("=ii", kind, flags)}).stereo == number


def test_interleaved_eyes_do_not_outlive_scaling() -> None:
    for kind in (4, 5, 6, 7):
        view = read_view(NONE, {"STEREO3D": struct.pack("=ii", kind, 0)})
        assert view.stereo is None
        assert not view.outlives
        assert list(view.left_out("matroska", upright=True)) == ["stereo"]
    assert read_view(NONE, {}, "checkerboard_lr").stereo is None
    assert read_view(NONE, {}, "anaglyph_cyan_red").stereo == 10
    assert read_view(NONE, {}, "mono").stereo == 0


def test_part_of_a_sphere_keeps_its_bounds() -> None:
    view = read_view(NONE, {"SPHERICAL": sphere(2, 90 << 16, (1, 2, 3, 4))})
    assert (view.projection, view.pose) == (EQUIRECTANGULAR, (90, 0, 0))
    assert view.private == struct.pack(">5I", 0, 2, 4, 1, 3), "top, bottom, left, right"
    assert view.google_box() == b"", "which cannot say it"
    half = read_view(NONE, {"SPHERICAL": sphere(3)})
    assert half.private == struct.pack(">5I", 0, 0, 0, 1 << 30, 1 << 30)


def test_cubes_keep_their_padding() -> None:
    view = read_view(NONE, {"SPHERICAL": sphere(1, padding=7)})
    assert (view.projection, view.private) == (CUBEMAP, struct.pack(">3I", 0, 0, 7))


def test_a_projection_that_no_format_here_has_is_told() -> None:
    view = read_view(NONE, {"SPHERICAL": sphere(5)})
    assert list(view.left_out("mp4", upright=True)) == ["projection"]
    assert view.mp4_boxes() == view.mkv_elements() == b""
    assert read_view(NONE, {"SPHERICAL": sphere(4)}) == View(), "a plane is nothing special"


def test_meshes_are_found_in_both_containers(tmp_path: Path) -> None:
    inner = bytes(70) + bytes(8) + box("sv3d", box("svhd", bytes(5)) + box("proj", box("mshp", b"mesh")))
    handler = box("hdlr", bytes(8) + b"vide")
    table = box("minf", box("stbl", box("stsd", bytes(8) + box("avc1", inner))))
    mp4, mkv = tmp_path / "a.mp4", tmp_path / "a.mkv"
    mp4.write_bytes(box("moov", box("trak", box("mdia", handler + table))))
    projection = element(b"\x76\x70", element(b"\x76\x71", b"\3") + element(b"\x76\x72", b"mesh"))
    tracks = element(b"\x16\x54\xae\x6b", element(b"\xae", element(b"\xe0", projection)))
    mkv.write_bytes(element(b"\x1a\x45\xdf\xa3", b"") + element(b"\x18\x53\x80\x67", tracks))
    for path in (mp4, mkv):
        view = read_view(path, {})
        assert (view.projection, view.private) == (MESH, b"mesh")
    assert box("mshp", b"mesh") in view.mp4_boxes()
    assert projection in view.mkv_elements() or b"mesh" in view.mkv_elements()


def test_turned_pictures_lose_both() -> None:
    view = View(EQUIRECTANGULAR, bytes(20), stereo=3)
    assert list(view.left_out("mp4", upright=True)) == []
    assert list(view.left_out("mp4", upright=False)) == ["projection", "stereo"]


@pytest.mark.parametrize(("stereo", "muxers"), [(1, "mp4 mov matroska webm"), (11, "matroska webm"), (13, "matroska")])
def test_which_formats_say_a_stereo_mode(stereo: int, muxers: str) -> None:
    kept = [
        muxer
        for muxer in ("mp4", "mov", "matroska", "webm")
        if not list(View(stereo=stereo).left_out(muxer, upright=True))
    ]
    assert kept == muxers.split()
