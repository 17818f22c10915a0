"""Files that are no pictures and no videos are told by what they are."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from seedvr2.media.foreign import foreign_kind
from tests.seedvr2.media.test_completeness import CONTAINERS, PICTURES, clip, picture

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
SVG = '<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def zipped(*names: str, mimetype: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"), io.BytesIO())
    return buffer.getvalue()


def saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(buffer, kind)
    return buffer.getvalue()


def sound(suffix: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=suffix) as container:
        stream = container.add_stream(codec, rate=44100)
        samples = np.zeros((1, 44100 * 2), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate = 44100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return buffer.getvalue()


FILES: list[tuple[str, bytes, str, str]] = [
    ("a.pdf", saved("PDF"), "a PDF document", "export its pages as PNG"),
    ("a.png", saved("PDF"), "a PDF document", "export its pages as PNG"),
    ("a.ico", saved("ICO"), "an icon", "save it as PNG"),
    ("a.eps", saved("EPS"), "a PostScript document", "export"),
    ("a.zip", zipped("a.png"), "a ZIP archive", "unpack it"),
    ("a.docx", zipped("[Content_Types].xml"), "an office document", "picture or a video"),
    ("a.odt", zipped("content.xml", mimetype="application/vnd.oasis.opendocument.text"), "an office document", ""),
    ("a.epub", zipped("a", mimetype="application/epub+zip"), "an e-book", ""),
    ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an office document", ""),
    ("a.rar", b"Rar!\x1a\x07\x01\0" + bytes(90), "a RAR archive", "unpack it"),
    ("a.7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(90), "a 7z archive", "unpack it"),
    ("a.tar", tarred(), "a tar archive", "unpack it"),
    ("a.gz", b"\x1f\x8b\x08\0" + bytes(90), "a gzip archive", "unpack it"),
    ("a.iso", bytes(32768) + b"\1CD001\1" + bytes(3000), "a disc image", "unpack it"),
    ("a.svg", SVG.encode(), "an SVG drawing", "export it as PNG"),
    ("b.svg", b"\xef\xbb\xbf<svg viewBox='0 0 1 1'></svg>", "an SVG drawing", "export it as PNG"),
    ("a.mp4", b"<!DOCTYPE html><html><body>Log in</body></html>", "a web page", ""),
    ("a.jpg", b"\n<html lang='de'>" + b"x" * 9000, "a web page", ""),
    ("a.url", b"[InternetShortcut]\r\nURL=https://example.org\r\n", "a link to a web page", "download the file itself"),
    ("a.desktop", b"[Desktop Entry]\nType=Link\n", "a link to a web page", ""),
    ("a.m3u8", b"#EXTM3U\n#EXT-X-VERSION:3\n", "a play list", ""),
    ("a.log", "Grüße aus München\n".encode() * 400, "a text file", ""),
    ("b.log", "\ufeffHello\r\n".encode("utf-16-le"), "a text file", ""),
    ("c.mp4", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS", ""),
    ("a.exe", b"MZ\x90\0" + bytes(200), "a program", ""),
    ("a.bin", b"\x7fELF\2\1\1" + bytes(200), "a program", ""),
    ("a.sh", b"#!/bin/sh\necho\n", "a script", ""),
    ("a.wav", sound("wav", "pcm_s16le"), "a sound file", ""),
    ("a.mp3", sound("mp3", "libmp3lame"), "a sound file", ""),
    ("a.flac", sound("flac", "flac"), "a sound file", ""),
    ("a.aac", sound("adts", "aac"), "a sound file", ""),
    ("a.xcf", b"gimp xcf v011\0" + bytes(90), "a GIMP document", "save it as PNG"),
    ("a.jxl", b"\xff\x0a" + bytes(90), "a JPEG XL picture", "not supported; save it as PNG"),
    ("b.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(90), "a JPEG XL picture", "not supported; save it as PNG"),
    ("a.psd", b"8BPS\0\1" + bytes(90), "a Photoshop document", "not supported; save it as PNG"),
    ("a.torrent", b"d8:announce30:http://x", "a torrent", ""),
    ("a.lnk", b"\x4c\0\0\0\1\x14\2\0" + bytes(90), "a shortcut of Windows", ""),
]


@pytest.mark.parametrize(
    ("name", "content", "what", "advice"), FILES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_it_says_what_it_is_and_what_to_do(tmp_path: Path, name: str, content: bytes, what: str, advice: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        open_source(file)
    said = str(caught.value)
    assert said.startswith(f"{name} is {what}")
    assert advice in said
    assert said.endswith(".")
    assert "damaged" not in said


def test_damaged_files_are_called_damaged(tmp_path: Path) -> None:
    noise = tmp_path / "a.mp4"
    noise.write_bytes(np.random.default_rng(1).integers(1, 255, 4000, np.uint8).tobytes())
    with pytest.raises(MediaError, match="check that it is whole and undamaged"):
        open_source(noise)


def test_no_picture_or_video_is_anything_else(tmp_path: Path) -> None:
    for number, (suffix, codec, options) in enumerate(CONTAINERS):
        assert foreign_kind(clip(tmp_path / f"clip{number}.{suffix}", codec, options, 3)) is None, suffix
    for number, (suffix, more) in enumerate(PICTURES):
        assert foreign_kind(picture(tmp_path / f"photo{number}.{suffix}", more)) is None, suffix


def test_what_is_empty_or_gone_is_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "a"
    empty.write_bytes(b"")
    assert foreign_kind(empty) is None
    with pytest.raises(FileNotFoundError):
        foreign_kind(tmp_path / "b")
