"""The fault table: what each row did, as Markdown for docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

OUTCOMES = {"passed": "held", "failed": "**did not hold**", "skipped": "not run here"}


@dataclass(slots=True)
class Counts:
    """What one run of a row did."""

    faults: int = 0
    jobs: int = 0
    files: int = 0


@dataclass(slots=True)
class Row:
    """One fault, run once or with several values."""

    title: str
    runs: int = 0
    outcomes: set[str] = field(default_factory=set)
    counts: Counts = field(default_factory=Counts)

    def add(self, outcome: str, counts: Counts) -> None:
        """Take a run in."""
        self.runs += 1
        self.outcomes.add(outcome)
        self.counts.faults += counts.faults
        self.counts.jobs += counts.jobs
        self.counts.files += counts.files


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The lines of the table."""
    rows = list(rows)
    yield "| fault | runs | faults made | jobs | files checked | |"
    yield "|---|--:|--:|--:|--:|---|"
    for row in rows:
        yield _line(row.title, row, _outcome(row))
    total = Row("all", sum(row.runs for row in rows))
    for row in rows:
        total.counts.faults += row.counts.faults
        total.counts.jobs += row.counts.jobs
        total.counts.files += row.counts.files
    yield _line("**all**", total, "")


def _line(title: str, row: Row, outcome: str) -> str:
    counts = row.counts
    return f"| {title} | {row.runs:,} | {counts.faults:,} | {counts.jobs:,} | {counts.files:,} | {outcome} |"


def _outcome(row: Row) -> str:
    # The worst of its runs speaks for the row.
    return next((OUTCOMES[name] for name in ("failed", "passed", "skipped") if name in row.outcomes), "")
