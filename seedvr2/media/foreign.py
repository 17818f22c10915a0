"""What a file is that is no picture and no video, from its first bytes: to be told so, not that it is damaged."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from seedvr2.errors import MediaError

HEAD_BYTES = 4096
# Looked up beforehand: Python imports them, which needs files when there may be no more to open.
_UTF_16 = {codecs.BOM_UTF16_LE: codecs.lookup("utf-16-le"), codecs.BOM_UTF16_BE: codecs.lookup("utf-16-be")}
_GIVE = "give a picture or a video"
_EXPORT = "export its pages as PNG first"
_SAVE = "save it as PNG first"
_UNPACK = "unpack it and give what is in it"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A kind of file.

    Attributes:
        name: with its article: `a PDF document`.
        advice: what to do instead, without a full stop.
    """

    name: str
    advice: str = _GIVE


_JXL = Foreign("a JPEG XL picture, which is not supported", _SAVE)
_PSD = Foreign("a Photoshop document, which is not supported", _SAVE)
_ICON = Foreign("an icon, which is not supported", _SAVE)
_SVG = Foreign("an SVG drawing, which has no pixels", "export it as PNG first")
_OFFICE = Foreign("an office document", _GIVE)
_HTML = Foreign("a web page; what was meant may have to be logged in for, or to be downloaded otherwise", _GIVE)
_SOUND = Foreign("a sound file, with no picture in it", _GIVE)
_PROGRAM = Foreign("a program", _GIVE)
_ARCHIVE = Foreign("an archive", _UNPACK)
_TEXT = Foreign("a text file", _GIVE)
_LINK = Foreign("a link to a web page", "download the file itself")

# Where the bytes are, which they are, and what that is; the first that fits counts.
_MAGIC: tuple[tuple[int, bytes, Foreign], ...] = (
    (0, b"\xff\x0a", _JXL),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _JXL),
    (0, b"8BPS", _PSD),
    (0, b"\0\0\1\0", _ICON),
    (0, b"icns", _ICON),
    (0, b"%PDF-", Foreign("a PDF document", _EXPORT)),
    (0, b"%!PS", Foreign("a PostScript document", _EXPORT)),
    (0, b"\xc5\xd0\xd3\xc6", Foreign("a PostScript document", _EXPORT)),
    (0, b"AT&TFORM", Foreign("a DjVu document", _EXPORT)),
    (0, b"gimp xcf", Foreign("a GIMP document, which is not supported", _SAVE)),
    (0, b"Rar!\x1a\x07", Foreign("a RAR archive", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", _UNPACK)),
    (0, b"\x1f\x8b", Foreign("a gzip archive", _UNPACK)),
    (0, b"BZh", Foreign("a bzip2 archive", _UNPACK)),
    (0, b"\xfd7zXZ\0", Foreign("an xz archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Foreign("a Zstandard archive", _UNPACK)),
    (257, b"ustar", Foreign("a tar archive", _UNPACK)),
    (0, b"MSCF", Foreign("a cabinet archive", _UNPACK)),
    (0, b"!<arch>", _ARCHIVE),
    (32769, b"CD001", Foreign("a disc image", _UNPACK)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE),
    (0, b"{\\rtf", _OFFICE),
    (0, b"MZ", _PROGRAM),
    (0, b"\x7fELF", _PROGRAM),
    (0, b"\xcf\xfa\xed\xfe", _PROGRAM),
    (0, b"\xca\xfe\xba\xbe", _PROGRAM),
    (0, b"dex\n", _PROGRAM),
    (0, b"#!", Foreign("a script", _GIVE)),
    (0, b"ID3", _SOUND),
    (0, b"fLaC", _SOUND),
    (8, b"WAVE", _SOUND),
    (8, b"AIFF", _SOUND),
    (8, b"AIFC", _SOUND),
    (0, b"#!AMR", _SOUND),
    (0, b"MAC ", _SOUND),
    (0, b"wvpk", _SOUND),
    (0, b"MThd", Foreign("a MIDI file, with no picture in it", _GIVE)),
    (0, b"SQLite format 3\0", Foreign("a database", _GIVE)),
    (0, b"d8:announce", Foreign("a torrent, not what it downloads", "download the file itself")),
    (0, b"OTTO", Foreign("a font", _GIVE)),
    (0, b"wOFF", Foreign("a font", _GIVE)),
    (0, b"wOF2", Foreign("a font", _GIVE)),
    (0, b"\x4c\0\0\0\1\x14\2\0", Foreign("a shortcut of Windows", "give the file that it leads to")),
)
_ZIPS = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")
# What stands in the first entries of archives that are documents or programs.
_ZIPPED: tuple[tuple[bytes, Foreign], ...] = (
    (b"mimetypeapplication/epub+zip", Foreign("an e-book", _EXPORT)),
    (b"mimetypeapplication/vnd.oasis.opendocument", _OFFICE),
    (b"mimetypeimage/openraster", Foreign("an OpenRaster document, which is not supported", _SAVE)),
    (b"mimetypeapplication/x-krita", Foreign("a Krita document, which is not supported", _SAVE)),
    (b"[Content_Types].xml", _OFFICE),
    (b"AndroidManifest.xml", _PROGRAM),
    (b"META-INF/", _PROGRAM),
)  # fmt: skip
# What may come before the first element.
_PROLOGUE = r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*){0,3}"
_MARKUP: tuple[tuple[re.Pattern[str], Foreign], ...] = (
    (re.compile(_PROLOGUE + r"(<!doctype svg|<svg[\s>]|<svg:svg)", re.DOTALL | re.IGNORECASE), _SVG),
    (re.compile(_PROLOGUE + r"(<!doctype html|<html|<head|<body)", re.DOTALL | re.IGNORECASE), _HTML),
    (re.compile(r"\s*\[InternetShortcut\]", re.IGNORECASE), _LINK),
    (re.compile(r"\s*\[Desktop Entry\]", re.IGNORECASE), _LINK),
    (re.compile(r"\s*#EXTM3U"), Foreign("a play list, not a video", "download the video that it lists")),
    (re.compile(r"version https://git-lfs"), Foreign("a pointer of Git LFS", "fetch the file itself (git lfs pull)")),
)  # fmt: skip


def foreign_kind(path: Path) -> Foreign | None:
    """What a file is that no reader here opens; None if that is not known, or it may be a picture or a video.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(32768)
        # A disc image says what it is behind sixteen empty sectors.
        sector = file.read(8)
    for offset, magic, kind in _MAGIC:
        if (sector[1:] if offset > HEAD_BYTES else head[offset:]).startswith(magic):
            return kind
    if head.startswith(_ZIPS):
        return next((kind for mark, kind in _ZIPPED if mark in head), Foreign("a ZIP archive", _UNPACK))
    text = _text(head)
    if text is None:
        return _SOUND if _is_mpeg_audio(head) else None
    return next((kind for pattern, kind in _MARKUP if pattern.match(text)), _TEXT)


def refuse_foreign(path: Path) -> None:
    """Refuse a file that FFmpeg might take for a video though it is none, as a PDF document for the JPEG within it.

    Raises:
        MediaError: it is of a kind that is known. OSError: it cannot be read.
    """
    kind = foreign_kind(path)
    # There are kinds of video that begin with text.
    if kind is not None and kind is not _TEXT:
        raise MediaError(foreign_sentence(path.name, kind))


def foreign_sentence(name: str, kind: Foreign) -> str:
    """What to say of a file called `name` of that kind."""
    return f"{name} is {kind.name}; {kind.advice}."


def _text(head: bytes) -> str | None:
    """The beginning as text; None if it is none."""
    for mark, encoding in _UTF_16.items():
        if head.startswith(mark) and len(head) > len(mark):
            text, _ = encoding.decode(head[len(mark) : len(head) // 2 * 2], "replace")
            return text if _is_printable(text) else None
    # The last character may be cut in two.
    text = head.decode("utf-8", "ignore" if len(head) == HEAD_BYTES else "replace").removeprefix("\ufeff")
    return text if text.strip() and _is_printable(text) else None


def _is_printable(text: str) -> bool:
    odd = sum(not (char.isprintable() or char in "\t\r\n\f") or char == "\ufffd" for char in text)
    return odd * 50 < len(text)


def _is_mpeg_audio(head: bytes) -> bool:
    """MP3 and AAC without a container begin with a frame's sync word."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    layer = head[1] >> 1 & 3
    return (head[1] & 0xF6 == 0xF0) if layer == 0 else head[2] >> 4 not in (0, 15)
