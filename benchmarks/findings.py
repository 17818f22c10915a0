"""What the cases of one run say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Records = Mapping[str, Mapping[str, Any]]

# Share of the processor that others may use without being mentioned.
_QUIET = 0.1


def findings(records: Records) -> Iterator[str]:
    """Sentences about cases that belong together, by name; those of which one is missing are left out."""
    yield from _memory(records, [name for name in records if name.startswith("frames-")])
    yield from _memory(records, [name for name in records if name.startswith("memory-")])
    yield from _disturbed(records)
    resize = records.get("resize-720p")
    for name, record in records.items():
        if name.startswith("nano-720p") and resize:
            times = record["s_per_frame"] / resize["seconds"]
            yield f"{name}: a frame takes as long as {times:.0f} bicubic resizes."


def _disturbed(records: Records) -> Iterator[str]:
    """The peak is measured in other moments than the case, so what disturbs falsifies the share as well."""
    for name, record in records.items():
        if record.get("others_cores", 0.0) > _QUIET * record.get("cores", 1):
            yield (
                f"{name}: other programs kept {record['others_cores']} of {record['cores']} cores busy meanwhile; "
                "neither its time nor its share of the peak is to be relied on."
            )


def _memory(records: Records, names: list[str]) -> Iterator[str]:
    """How memory grows from the shortest clip to the longest."""
    if len(names) < 2:
        return
    short, long = (pick(names, key=lambda name: records[name]["frames"]) for pick in (min, max))
    ratio = records[long]["peak_mb"] / records[short]["peak_mb"]
    yield f"{records[long]['frames']} frames take {ratio:.3f} times the memory of {records[short]['frames']}."
