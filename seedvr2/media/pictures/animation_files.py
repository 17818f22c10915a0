"""Animated PNG, WebP and GIF written frame by frame: Pillow would hold all frames until the end."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image

from seedvr2.media.pictures import png_chunks
from seedvr2.media.pictures.png_chunks import Chunk
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.pictures.tags.writing import pillow_options, png_with_tags
from seedvr2.media.pictures.webp_chunks import read_webp_chunks

_MOST = 65535


class AnimationFile(ABC):
    """An animation in the making: `add` each frame, then `finish`.

    Every frame is whole and takes the place of the one before.
    """

    def __init__(self, file: BinaryIO, size: tuple[int, int], loops: int, tags: PictureTags) -> None:
        """`size`: width and height. `loops`: how often it is shown, 0 for ever."""
        self.file, self.size, self.loops, self.tags = file, size, loops, tags
        self.count = 0

    @abstractmethod
    def add(self, image: Image.Image, start_ms: int, end_ms: int) -> None:
        """Add a frame, RGB or RGBA, that is shown from one time to another."""

    @abstractmethod
    def finish(self) -> None:
        """Write what is known only at the end."""


class AnimatedPng(AnimationFile):
    """PNG with the chunks of an animation (PNG, third edition)."""

    _REPLACE = 0

    def add(self, image: Image.Image, start_ms: int, end_ms: int) -> None:
        """See `AnimationFile.add`."""
        buffer = BytesIO()
        image.save(buffer, "PNG")
        if self.count == 0:
            buffer = BytesIO(png_with_tags(buffer.getvalue(), self.tags))
        pixels = []
        for chunk in png_chunks.read_chunks(buffer):
            if chunk.kind == b"IDAT":
                pixels.append(chunk.read(buffer))
            elif self.count == 0 and chunk.kind != b"IEND":
                self._begin(chunk, buffer)
        number, unit = end_ms - start_ms, 1000
        while number > _MOST:
            number, unit = number // 10, max(unit // 10, 1)
        sequence = 2 * self.count - 1 if self.count else 0
        frame = struct.pack(">IIIIIHHBB", sequence, *self.size, 0, 0, number, unit, self._REPLACE, self._REPLACE)
        self.file.write(png_chunks.made(b"fcTL", frame))
        data = b"".join(pixels)
        if self.count:
            self.file.write(png_chunks.made(b"fdAT", struct.pack(">I", sequence + 1) + data))
        else:
            self.file.write(png_chunks.made(b"IDAT", data))
        self.count += 1

    def _begin(self, chunk: Chunk, png: BinaryIO) -> None:
        if chunk.kind == b"IHDR":
            self.file.write(png_chunks.SIGNATURE)
        self.file.write(png_chunks.made(chunk.kind, chunk.read(png)))
        if chunk.kind == b"IHDR":
            self._control = self.file.tell()
            self.file.write(self._acTL())

    def _acTL(self) -> bytes:  # noqa: N802 - the name of the chunk
        return png_chunks.made(b"acTL", struct.pack(">II", self.count, self.loops))

    def finish(self) -> None:
        """See `AnimationFile.finish`."""
        self.file.write(png_chunks.made(b"IEND", b""))
        self.file.seek(self._control)
        self.file.write(self._acTL())


class AnimatedWebp(AnimationFile):
    """WebP with the chunks of an animation (RFC 9649)."""

    _PROFILE, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
    _DO_NOT_BLEND = 2

    def add(self, image: Image.Image, start_ms: int, end_ms: int) -> None:
        """See `AnimationFile.add`."""
        if self.count == 0:
            self._begin(alpha=image.mode == "RGBA")
        buffer = BytesIO()
        image.save(buffer, "WEBP", quality=95, method=4)
        parts = [c for c in read_webp_chunks(buffer) if c.kind in (b"ALPH", b"VP8 ", b"VP8L")]
        width, height = self.size
        head = bytes(6) + b"".join(_int24(value) for value in (width - 1, height - 1, end_ms - start_ms))
        body = b"".join(_riff(part.kind, part.read(buffer)) for part in parts)
        self.file.write(_riff(b"ANMF", head + bytes((self._DO_NOT_BLEND,)) + body))
        self.count += 1

    def _begin(self, *, alpha: bool) -> None:
        tags = self.tags
        flags = self._ANIMATION | (self._ALPHA if alpha else 0)
        for flag, there in ((self._PROFILE, tags.icc), (self._EXIF, tags.exif), (self._XMP, tags.xmp)):
            flags |= flag if there else 0
        width, height = self.size
        self.file.write(b"RIFF\0\0\0\0WEBP")
        self.file.write(_riff(b"VP8X", bytes((flags, 0, 0, 0)) + _int24(width - 1) + _int24(height - 1)))
        if tags.icc:
            self.file.write(_riff(b"ICCP", tags.icc))
        self.file.write(_riff(b"ANIM", struct.pack("<IH", 0, self.loops)))

    def finish(self) -> None:
        """See `AnimationFile.finish`."""
        for kind, data in ((b"EXIF", self.tags.exif), (b"XMP ", self.tags.xmp)):
            if data:
                self.file.write(_riff(kind, data.removeprefix(b"Exif\0\0") if kind == b"EXIF" else data))
        length = self.file.tell()
        self.file.seek(4)
        self.file.write(struct.pack("<I", length - 8))


class AnimatedGif(AnimationFile):
    """GIF89a with a palette of its own for each frame."""

    _COLORS, _OPAQUE = 256, 128
    _IMAGE, _EXTENSION, _END = b",", b"!", b";"
    _KEEP, _CLEAR = 1, 2

    def add(self, image: Image.Image, start_ms: int, end_ms: int) -> None:
        """See `AnimationFile.add`."""
        if self.count == 0:
            self._begin()
        clear = (
            image.getchannel("A").point(lambda value: 255 * (value < self._OPAQUE)) if image.mode == "RGBA" else None
        )
        colors = image.convert("RGB")
        palette = colors.quantize(self._COLORS - (clear is not None), Image.Quantize.MEDIANCUT)
        reduced = colors.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        options: dict[str, Any] = {}
        if clear is not None:
            reduced.paste(self._COLORS - 1, mask=clear)
            options["transparency"] = self._COLORS - 1
        buffer = BytesIO()
        reduced.save(buffer, "GIF", optimize=False, **options)
        # From hundredth to hundredth, so that roundings do not add up.
        delay = min(round(end_ms / 10) - round(start_ms / 10), _MOST)
        disposal = self._CLEAR if clear is not None else self._KEEP
        flags = disposal << 2 | (clear is not None)
        self.file.write(b"!\xf9\4" + struct.pack("<BHBx", flags, delay, self._COLORS - 1))
        self.file.write(b"".join(_gif_picture(buffer.getvalue())))
        self.count += 1

    def _begin(self) -> None:
        self.file.write(b"GIF89a" + struct.pack("<HHBBB", *self.size, 0, 0, 0))
        if self.loops != 1:
            self.file.write(b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<Hx", max(self.loops - 1, 0)))
        comment = pillow_options(self.tags, ".gif").get("comment", b"")
        if comment:
            blocks = (comment[start : start + 255] for start in range(0, len(comment), 255))
            self.file.write(b"!\xfe" + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0")

    def finish(self) -> None:
        """See `AnimationFile.finish`."""
        self.file.write(self._END)


WRITERS: dict[str, Callable[[BinaryIO, tuple[int, int], int, PictureTags], AnimationFile]] = {
    ".png": AnimatedPng,
    ".webp": AnimatedWebp,
    ".gif": AnimatedGif,
}


def _gif_picture(data: bytes) -> Iterator[bytes]:
    """The picture of a GIF with one, with the file's palette as its own."""
    flags, position = data[10], 13
    entries = 2 << (flags & 7)
    palette = data[position : position + 3 * entries] if flags & 0x80 else b""
    position += len(palette)
    while data[position : position + 1] == b"!":
        position += 2
        while data[position]:
            position += data[position] + 1
        position += 1
    local = data[position + 9]
    if local & 0x80:
        yield data[position:-1]
        return
    yield data[position : position + 9]
    yield bytes((0x80 | (flags & 7) | (local & 0x40),))
    yield palette
    yield data[position + 10 : -1]


def _int24(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
