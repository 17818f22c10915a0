"""`python -m tests.parity [DIR]`: all checks of a fixture set; exit 1 where one fails."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from tests.parity.report import Check
from tests.parity.runner import run

BUNDLED = Path(__file__).parents[1] / "fixtures" / "golden"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=BUNDLED, metavar="DIR")
    parser.add_argument("-v", "--verbose", action="store_true", help="print passed checks too")
    arguments = parser.parse_args()
    groups: dict[str, list[Check]] = defaultdict(list)
    for check in run(arguments.directory.resolve()):
        groups[check.name.split(" ")[0].split("/")[0]].append(check)
        if arguments.verbose or not check.passed:
            print(check)
    for group, checks in groups.items():
        errors = [check.error for check in checks if check.tolerance > 0]
        worst = f"worst error {max(errors):.3g}" if errors else "exact"
        print(f"{group:<16} {len(checks):>4} checks, {worst}")
    results = [check.passed for checks in groups.values() for check in checks]
    passed, failed = results.count(True), results.count(False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
