"""The commands `segment` and `join`, which follow a plan of `plan --json`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from seedvr2.catalogue.cli import add_folder_argument, folders_of
from seedvr2.errors import OptionError

# `0-99999999999` is to be refused, not counted.
_MOST = 10**7


def add_parsers(commands: Any) -> None:
    """Add both to the subcommands of the command line."""
    segment = commands.add_parser(
        "segment",
        help="make one or some segments of a plan of `plan --json`",
        epilog="A segment that is there already, whole, is left as it is. `join` makes the result of all of them.",
    )
    segment.add_argument("plan", type=Path, metavar="PLAN", help="a file with what `seedvr2 plan IN --json` printed")
    segment.add_argument("numbers", metavar="N", help="which, counted from 0: 7, 3-7 or 1,4,6-8")
    segment.add_argument(
        "target", metavar="OUT", help="a folder, which names them seg-00007, made if OUT ends in /; or a new file"
    )
    _add_source(segment)
    add_folder_argument(segment)
    segment.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1…")
    segment.add_argument("--quiet", action="store_true", help="no progress bar")
    segment.set_defaults(run=_segment)

    join = commands.add_parser("join", help="make the result of all segments of a plan")
    join.add_argument("plan", type=Path, metavar="PLAN", help="the plan that the segments were made of")
    join.add_argument("folder", type=Path, metavar="DIR", help="the folder with all segments, which stay there")
    join.add_argument("target", type=Path, metavar="OUT", help="the file to write, or a folder")
    _add_source(join)
    join.set_defaults(run=_join)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, metavar="PATH", help="where the source is, if not where it was planned")


def _segment(arguments: argparse.Namespace) -> int:
    numbers = _numbers(arguments.numbers)
    # The networks take seconds to import; a wrong request should not.
    from seedvr2.console import ProgressBar
    from seedvr2.farm.job_plan import read_job_plan
    from seedvr2.media.failures import writing
    from seedvr2.upscaler import Upscaler

    plan = read_job_plan(arguments.plan)
    upscaler = Upscaler(folders_of(arguments), device=arguments.device, dtype=plan.frozen.dtype)
    target = Path(arguments.target)
    if arguments.target.endswith("/"):
        with writing(target.name):
            target.mkdir(parents=True, exist_ok=True)
    bar = ProgressBar(f"segment {arguments.numbers}", quiet=arguments.quiet)
    try:
        made = upscaler.make_segments(plan, numbers, target, source=arguments.source, on_progress=bar)
    finally:
        bar.close()
    for unit, done in made.units:
        for warning in done.warnings:
            print(f"{unit.path.name}: {warning}", file=sys.stderr)
        state = "was there already" if unit in made.found else f"{done.seconds:.1f} s"
        print(f"{unit.path}  {done.frames} frames  {state}")
    return 0


def _join(arguments: argparse.Namespace) -> int:
    from seedvr2.farm.job_plan import read_job_plan
    from seedvr2.farm.joining import join

    plan, target = read_job_plan(arguments.plan), arguments.target
    if target.is_dir():
        target = target / f"{plan.source.stem}{plan.frozen.suffix}"
    result = join(plan, arguments.folder, target, source=arguments.source)
    for warning in result.warnings:
        print(f"{target.name}: {warning}", file=sys.stderr)
    print(f"{result.path}  {result.width}x{result.height}  {result.frames} frames  {result.model}")
    return 0


def _numbers(text: str) -> list[int]:
    """`1,4,6-8` as numbers, each once, ascending."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and (not last.isdecimal() or int(last) < int(first))):
            raise OptionError("segments", f"N takes numbers such as 7, 3-7 or 1,4,6-8, not {text!r}.")
        if int(last or first) > _MOST:
            raise OptionError("segments", f"No plan has a segment {int(last or first)}.")
        numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)
