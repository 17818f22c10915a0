"""The results of earlier runs, one line of JSON a case, and what has become worse since the last one.

Only runs on the same kind of processor are compared, and seconds in units of each run's own peak of matrix products:
the same machine is faster on one day than on another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]

HISTORY = Path(__file__).with_name("history.jsonl")
# What counts as worse: 5 %, in time or in memory.
_WORSE = 1.05
_KIND = ("cpu", "cores", "instructions")


def read(path: Path) -> list[Record]:
    """The records, oldest first; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def append(records: Iterable[Record], path: Path) -> None:
    """Add the records of a run."""
    with path.open("a") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)


def worsened(record: Record, history: list[Record]) -> Iterator[str]:
    """Sentences about a case that is at least 5 % slower, or takes 5 % more memory, than when it was last recorded."""
    before = next((old for old in reversed(history) if _comparable(old, record)), None)
    if before is None:
        return
    since = f"than at {before['commit']} on {before['date'][:10]}"
    if before["dtype"] != record["dtype"]:
        yield f"{record['case']} computes in {record['dtype']}, {before['dtype']} then, so its time is not compared."
    elif (ratio := _work(record) / _work(before)) >= _WORSE:
        yield f"{record['case']} is {100 * (ratio - 1):.0f} % slower {since}, by each run's own peak."
    if before["peak_mb"] and record["peak_mb"] and (more := record["peak_mb"] / before["peak_mb"]) >= _WORSE:
        yield f"{record['case']} takes {100 * (more - 1):.0f} % more memory {since}."


def _comparable(old: Record, new: Record) -> bool:
    return old["case"] == new["case"] and all(old[key] == new[key] for key in _KIND)


def _work(record: Record) -> float:
    """Seconds, or what the machine could have computed in them where its peak was measured."""
    return float(record["seconds"] * (record["matmul_tflops"] or 1.0))
