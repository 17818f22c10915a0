"""`make bench`: every measurement of this folder that a machine without a GPU can make, one after another."""

from __future__ import annotations

import subprocess
import sys

# Each in a process of its own: peak memory and caches of one must not show in the next.
MODULES = ("speed", "memory", "service")


def main() -> int:
    failed = 0
    for name in MODULES:
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
