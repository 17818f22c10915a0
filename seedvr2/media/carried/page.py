"""The page of the documentation on what travels along, made from the tables."""

from __future__ import annotations

from collections.abc import Sequence

from seedvr2.media.carried.item import Fate, Item
from seedvr2.media.carried.pictures import PICTURE_ITEMS, STILLS
from seedvr2.media.carried.videos import VIDEO_FORMATS, VIDEO_ITEMS

_HEAD = """# What travels along

What a source carries beside its pixels and sounds, and what becomes of it in the result. Nothing is dropped without a
word: what a result cannot hold is named in its warnings. This page is made by `python -m seedvr2.media.carried`.
"""
_WORDS = {Fate.KEPT: "kept", Fate.ADJUSTED: "adjusted", Fate.APPLIED: "applied", Fate.TOLD: "warning"}


def page() -> str:
    """The page, in Markdown."""
    pictures, videos = table(PICTURE_ITEMS, STILLS), table(VIDEO_ITEMS, VIDEO_FORMATS)
    return "\n".join([_HEAD, "## Pictures\n", pictures, "## Videos\n", videos])


def table(items: Sequence[Item], formats: Sequence[str]) -> str:
    """One row an item, one column a format."""
    rows = [["What", *formats, "How"], ["---"] * (len(formats) + 2)]
    rows += [[item.name, *(_WORDS[item.fate(result)] for result in formats), item.note] for item in items]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
