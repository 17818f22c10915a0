"""Speed and memory of this tree on this processor: `make bench`, `make bench-all`.

    python -m benchmarks [CASE…] [--all] [--record] [--list]
    python -m benchmarks [CASE…] --against COMMIT [--rounds N]

Prints a line of JSON for each case; what they say together, and what has become worse since the last recorded run on
such a processor, goes to standard error. docs/performance.md explains the figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks import history
from benchmarks.against import compare, engine_of
from benchmarks.cases import Case, all_cases, selected
from benchmarks.findings import findings
from benchmarks.machine import machine
from benchmarks.record import Record, measure


def main(argv: list[str] | None = None) -> int:
    """Run the cases that are asked for. Returns 1 if one failed, 2 if there is none of a name."""
    arguments = _parser().parse_args(argv)
    try:
        cases = _cases(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.list:
        for case in cases:
            print(case.name)
        return 0
    if arguments.against:
        try:
            return _against(cases, arguments.against, arguments.rounds)
        except LookupError as error:
            print(error, file=sys.stderr)
            return 2
    return _measure(cases, arguments.history, record=arguments.record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a name, or the words that names begin with: 3b")
    parser.add_argument("--all", action="store_true", help="every case, not only those that take minutes together")
    parser.add_argument("--list", action="store_true", help="print the names only")
    parser.add_argument("--record", action="store_true", help="add the results to the history")
    parser.add_argument("--history", type=Path, default=history.HISTORY, help="file of earlier results")
    parser.add_argument("--against", metavar="COMMIT", help="the networks beside those of another commit, in turns")
    parser.add_argument("--rounds", type=int, default=3, help="turns of --against (default 3)")
    return parser


def _cases(arguments: argparse.Namespace) -> list[Case]:
    """Raises ValueError where there is none."""
    if arguments.cases:
        cases = selected(arguments.cases)
    else:
        cases = [case for case in all_cases().values() if case.quick or arguments.all or arguments.list]
    if not arguments.against:
        return cases
    if networks := [case for case in cases if case.network]:
        return networks
    raise ValueError("Only networks alone (vae, 3b, 7b) are compared with another commit.")


def _measure(cases: list[Case], file: Path, *, record: bool) -> int:
    about, before = machine(), history.read(file)
    done: dict[str, Record] = {}
    failed = 0
    for case in cases:
        try:
            done[case.name] = measure(case, about)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            # One that this machine has no room for must not cost the others.
            print(f"{case.name} failed: {error}", file=sys.stderr)
            failed += 1
        else:
            print(json.dumps(done[case.name]), flush=True)
    for sentence in findings(done):
        print(sentence, file=sys.stderr)
    for result in done.values():
        for sentence in history.worsened(result, before):
            print(sentence, file=sys.stderr)
    if record:
        history.append(done.values(), file)
    return 1 if failed else 0


def _against(cases: list[Case], commit: str, rounds: int) -> int:
    failed = 0
    with engine_of(commit) as tree:
        for case in cases:
            try:
                for result in compare(case, commit, tree, rounds):
                    print(json.dumps(result), flush=True)
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                print(f"{case.name} failed: {error}", file=sys.stderr)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
