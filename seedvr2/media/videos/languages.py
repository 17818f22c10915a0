"""Languages of tracks beyond three letters (BCP 47), such as `pt-BR`, which PyAV does not give."""

from __future__ import annotations

import re
from pathlib import Path

from av.stream import Stream

from seedvr2.media.carried import boxes, ebml
from seedvr2.media.videos.mkv_additions import element
from seedvr2.media.videos.mp4_additions import box

_TAG = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")
_LONGEST = 64
_ELEMENT = b"\x22\xb5\x9d"


def stated_language(path: Path, stream: Stream) -> str:
    """What a file says of a track's language beside its three letters; empty if that is all."""
    with path.open("rb") as file:
        found = next(
            (
                boxes.payload(file, each, _LONGEST)[4:]
                for each in boxes.walk(file)
                if each.track == stream.id and each.path[2:] == ("mdia", "elng")
            ),
            b"",
        ) or next(
            (
                ebml.payload(file, each, _LONGEST)
                for each in ebml.walk(file)
                if each.track == stream.index + 1 and each.name == "LanguageBCP47"
            ),
            b"",
        )
    text = found.partition(b"\0")[0].decode("ascii", "replace") or stream.language or ""
    return text if _TAG.fullmatch(text) and not (len(text) == 3 and text == stream.language) else ""


def language_box(language: str) -> bytes:
    """For the media of a track in mp4; none without a language."""
    return box("elng", bytes(4) + language.encode() + b"\0") if language else b""


def language_element(language: str) -> bytes:
    """For a track in Matroska; none without a language."""
    return element(_ELEMENT, language.encode()) if language else b""
