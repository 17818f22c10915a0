"""The results as JSON, with everything, and as a table of one page, with what one looks at first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from benchmarks.gpu.rows import Row
from benchmarks.gpu.runner import StepResult

NAME = "check-gpu"
_VERDICTS = {True: "ok", False: "**FAIL**", None: "not run"}


def write(folder: Path, results: Sequence[StepResult], *, device: str, small: bool, complete: bool) -> None:
    """Write `check-gpu.json` and `check-gpu.md` into `folder`, in place of those that are there.

    Args:
        device: what was tested. small: whether at the tiny sizes.
        complete: whether all steps that were asked for have run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "device": device,
        "small": small,
        "complete": complete,
        "passed": passed(results),
        "counts": counts(results),
        "steps": [asdict(result) for result in results],
    }
    # Values that are not finite have no place in JSON; as texts they stay readable.
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / f"{NAME}.json").write_text(text + "\n")
    (folder / f"{NAME}.md").write_text(table(results, device=device, small=small))


def passed(results: Sequence[StepResult]) -> bool:
    """Whether no row is out of its tolerance."""
    return all(row.ok is not False for result in results for row in result.rows)


def counts(results: Sequence[StepResult]) -> dict[str, int]:
    """How many rows are in their tolerance, out of it, and not run."""
    found = Counter(row.ok for result in results for row in result.rows)
    return {"ok": found[True], "failed": found[False], "not_run": found[None]}


def table(results: Sequence[StepResult], *, device: str, small: bool) -> str:
    """Everything as Markdown."""
    found, seconds = counts(results), sum(result.seconds for result in results)
    lines = [
        f"# {device}{', tiny sizes' if small else ''}",
        "",
        f"{found['ok']} ok, {found['failed']} failed, {found['not_run']} not run, in {seconds:.0f} s.",
        "",
        "| step | what | values, and in brackets what they may be | |",
        "|---|---|---|---|",
    ]
    for result in results:
        lines.append(f"| **{result.number}** | **{result.title}** | {result.seconds:.1f} s | |")
        lines += [_line(subject, list(rows)) for subject, rows in groupby(result.rows, key=_subject)]
    return "\n".join(lines) + "\n"


def _subject(row: Row) -> str:
    """What a row is about: `VAE 1080p × 5` of `VAE 1080p × 5: encode`."""
    return row.name.partition(": ")[0]


def _line(subject: str, rows: list[Row]) -> str:
    """All that is known of a subject, as one line; it is as good as the worst of it."""
    verdict = min((row.ok for row in rows), key=(False, None, True).index)
    values = "; ".join(_value(row) for row in rows).replace("\n", " ").replace("|", "/")
    return f"| | {subject} | {values} | {_VERDICTS[verdict]} |"


def _value(row: Row) -> str:
    what = row.name.partition(": ")[2]
    value = row.note if row.value is None else row.value if isinstance(row.value, str) else f"{row.value:.4g}"
    text = f"{what} {value} {row.unit}".strip()
    if row.tolerance:
        text += f" ({row.tolerance})"
    return f"**{text}**" if row.ok is False else text


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value
