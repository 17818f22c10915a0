"""What the cases of one run say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Records = Mapping[str, Mapping[str, Any]]


def findings(records: Records) -> Iterator[str]:
    """Sentences about cases that belong together, by name; those of which one is missing are left out."""
    yield from _memory(records, [name for name in records if name.startswith("frames-")])
    yield from _memory(records, [name for name in records if name.startswith("memory-")])
    resize = records.get("resize-720p")
    for name, record in records.items():
        if name.startswith("nano-720p") and resize:
            times = record["s_per_frame"] / resize["seconds"]
            yield f"{name}: a frame takes as long as {times:.0f} bicubic resizes."


def _memory(records: Records, names: list[str]) -> Iterator[str]:
    """How memory grows from the shortest clip to the longest."""
    if len(names) < 2:
        return
    short, long = (pick(names, key=lambda name: records[name]["frames"]) for pick in (min, max))
    ratio = records[long]["peak_mb"] / records[short]["peak_mb"]
    yield f"{records[long]['frames']} frames take {ratio:.3f} times the memory of {records[short]['frames']}."
