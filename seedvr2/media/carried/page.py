"""The page of the documentation on what travels along, made from the tables."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec

from seedvr2.media.carried.item import Fate, Item
from seedvr2.media.carried.pictures import PICTURE_ITEMS, STILLS

_VIDEOS = "seedvr2.media.carried.videos"
_VIDEO_FORMATS = ("mp4", "mkv")
_HEAD = """# What travels along

What a source carries beside its pixels and sounds, and what becomes of it in the result. Nothing is dropped without a
word: what a result cannot hold is named in its warnings. This page is made by `python -m seedvr2.media.carried`.
"""
_WORDS = {Fate.KEPT: "kept", Fate.ADJUSTED: "adjusted", Fate.APPLIED: "applied", Fate.TOLD: "warning"}


def page() -> str:
    """The page, in Markdown."""
    parts = [_HEAD, "## Pictures\n", table(PICTURE_ITEMS, STILLS)]
    if find_spec(_VIDEOS):
        parts += ["## Videos\n", table(importlib.import_module(_VIDEOS).VIDEO_ITEMS, _VIDEO_FORMATS)]
    return "\n".join(parts)


def table(items: Sequence[Item], formats: Sequence[str]) -> str:
    """One row an item, one column a format."""
    rows = [["What", *formats, "How"], ["---"] * (len(formats) + 2)]
    rows += [[item.name, *(_WORDS[item.fate(result)] for result in formats), item.note] for item in items]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
