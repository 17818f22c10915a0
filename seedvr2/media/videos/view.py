"""How a video is to be looked at: around the viewer, or with one picture for each eye."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedvr2.media.carried import boxes, ebml
from seedvr2.media.videos.mkv_additions import PROJECTION, element
from seedvr2.media.videos.mp4_additions import box

# Matroska's numbers (RFC 9559). MESH_KIND is that of VR180.
EQUIRECTANGULAR, CUBEMAP, MESH = 1, 2, 3
_KINDS = {EQUIRECTANGULAR: "equi", CUBEMAP: "cbmp", MESH: "mshp"}
# Matroska's numbers of stereo modes that outlive scaling, and FFmpeg's names for them.
STEREO_NAMES = {
    1: "left_right",
    2: "bottom_top",
    3: "top_bottom",
    10: "anaglyph_cyan_red",
    11: "right_left",
    12: "anaglyph_green_magenta",
    13: "block_lr",
    14: "block_rl",
}
_NUMBERS = {name: number for number, name in STEREO_NAMES.items()} | {"mono": 0}
_OF_WEBM = frozenset({1, 2, 3, 11})
# FFmpeg's numbers: side by side, top and bottom, frame by frame; the second where the right eye comes first.
_STEREO = {1: (1, 11), 2: (3, 2), 3: (13, 14)}
_FLAT = (0, 8)
# The boxes know two.
_BOX_STEREO = {3: 1, 1: 2}
_GOOGLE_STEREO = {0: "mono", 3: "top-bottom", 1: "left-right"}
# Of Google's first specification, https://github.com/google/spatial-media, as the content of a box.
_UUID = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
_LARGEST_MESH = 1 << 16


@dataclass(frozen=True, slots=True)
class View:
    """How a video is looked at.

    Attributes:
        projection: Matroska's number; 0 for a flat picture, None for a projection that is not known here.
        private: its parameters, the same bytes in Matroska and mp4.
        pose: yaw, pitch and roll in degrees.
        stereo: Matroska's number; 0 for one eye, None where the eyes are interleaved and do not outlive scaling.
    """

    projection: int | None = 0
    private: bytes = b""
    pose: tuple[float, float, float] = (0, 0, 0)
    stereo: int | None = 0

    @property
    def outlives(self) -> bool:
        """Whether each eye still has its picture after scaling."""
        return self.stereo is not None

    def mp4_boxes(self) -> bytes:
        """For the sample description of an mp4 file."""
        result = b""
        if self.stereo in _BOX_STEREO:
            result += box("st3d", struct.pack(">IB", 0, _BOX_STEREO[self.stereo]))
        if self.projection:
            pose = struct.pack(">I3i", 0, *(round(angle * 65536) for angle in self.pose))
            kind = box(_KINDS[self.projection], self.private)
            result += box("sv3d", box("svhd", bytes(5)) + box("proj", box("prhd", pose) + kind))
        return result

    def google_box(self) -> bytes:
        """For a track of an mp4 file: what programs before 2016 look for; only of whole equirectangular pictures."""
        if self.projection != EQUIRECTANGULAR or any(self.private) or self.stereo not in _GOOGLE_STEREO:
            return b""
        named = "".join(
            f"<GSpherical:{name}>{text}</GSpherical:{name}>"
            for name, text in (
                ("Spherical", "true"),
                ("Stitched", "true"),
                ("ProjectionType", "equirectangular"),
                ("StereoMode", _GOOGLE_STEREO[self.stereo]),
            )
        )
        text = (
            '<?xml version="1.0"?><rdf:SphericalVideo xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
            f'xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/">{named}</rdf:SphericalVideo>'
        )
        return box("uuid", _UUID + text.encode())

    def mkv_elements(self) -> bytes:
        """For the description of the pictures in Matroska; the stereo mode is a tag there."""
        if not self.projection:
            return b""
        pose = b"".join(
            element(identity, struct.pack(">d", angle))
            for identity, angle in zip((b"\x76\x73", b"\x76\x74", b"\x76\x75"), self.pose, strict=True)
        )
        kind = element(b"\x76\x71", bytes([self.projection])) + element(b"\x76\x72", self.private)
        return element(PROJECTION, kind + pose)

    def stereo_tag(self, muxer: str) -> str | None:
        """The name that FFmpeg's muxer takes for a stereo mode; None if the format has none for it."""
        if self.stereo is None or (muxer == "webm" and self.stereo not in _OF_WEBM):
            return None
        return STEREO_NAMES.get(self.stereo)

    def left_out(self, muxer: str, *, upright: bool) -> Iterator[str]:
        """Which of `projection` and `stereo` a file of that muxer will not say; turned pictures lose both."""
        if self.projection is None or (self.projection and not upright):
            yield "projection"
        boxed = muxer in ("mp4", "mov")
        kept = self.stereo in _BOX_STEREO if boxed else self.stereo_tag(muxer) is not None
        if self.stereo != 0 and not (kept and upright):
            yield "stereo"


def read_view(path: Path, side_data: Mapping[str, bytes], tag: str | None = None) -> View:
    """How the video of a file is looked at. `side_data`: that of a decoded frame. `tag`: the track's `stereo_mode`."""
    stereo: int | None = 0
    if tag is not None:
        stereo = _NUMBERS.get(tag)
    elif len(data := side_data.get("STEREO3D", b"")) >= 8:
        kind, flags = struct.unpack("=ii", data[:8])
        stereo = 0 if kind in _FLAT else _STEREO.get(kind, (None, None))[flags & 1]
    if len(data := side_data.get("SPHERICAL", b"")) < 32:
        return View(*_mesh(path), stereo=stereo)
    kind, yaw, pitch, roll, left, top, right, bottom = struct.unpack("=iiiiIIII", data[:32])
    pose = (yaw / 65536, pitch / 65536, roll / 65536)
    if kind == 3:
        # Half of the sphere: a quarter is missing on either side.
        kind, left, right = 0, 1 << 30, 1 << 30
    if kind in (0, 2):
        # The box counts the rows first.
        return View(EQUIRECTANGULAR, struct.pack(">5I", 0, top, bottom, left, right), pose, stereo)
    if kind == 1:
        padding = int.from_bytes(data[32:36], "little")
        return View(CUBEMAP, struct.pack(">3I", 0, 0, padding), pose, stereo)
    return View(0 if kind == 4 else None, stereo=stereo)


def _mesh(path: Path) -> tuple[int | None, bytes]:
    """A projection that FFmpeg does not know: a mesh, as cameras for 180° write it."""
    with path.open("rb") as file:
        for found in boxes.walk(file):
            if found.path[-2:] == ("proj", "mshp") and found.handler == "vide":
                return (MESH, boxes.payload(file, found)) if found.size <= _LARGEST_MESH else (None, b"")
        kind, private = 0, b""
        for inner in ebml.walk(file):
            if inner.path[-2:] == ("Projection", "ProjectionType"):
                kind = ebml.number(ebml.payload(file, inner))
            elif inner.path[-2:] == ("Projection", "ProjectionPrivate"):
                private = ebml.payload(file, inner) if inner.size <= _LARGEST_MESH else b""
    if kind == MESH and private:
        return MESH, private
    return (None if kind else 0), b""
