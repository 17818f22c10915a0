"""What the heap does with large blocks, in a process of its own: the setting is the process's."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

BLOCK = 200 << 20
PROGRAM = f"""
import json, resource, sys
from pathlib import Path
from seedvr2.heap import keep_freed_blocks, return_freed_blocks

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

if sys.argv[1] == "keep":
    keep_freed_blocks()
import numpy as np
np.ones({BLOCK}, np.uint8)
before = faults()
np.ones({BLOCK}, np.uint8)
taken, kept = faults() - before, resident()
return_freed_blocks()
print(json.dumps([taken, kept, resident()]))
"""


def run(what: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, what], capture_output=True, text=True, check=True)
    numbers: list[int] = json.loads(done.stdout)
    return numbers


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own")
def test_large_blocks_are_reused_and_given_back() -> None:
    faults, kept, returned = run("keep")
    assert faults < BLOCK / 4096 / 100
    assert kept > BLOCK and returned < kept - 0.9 * BLOCK
    _, kept, _ = run("leave")
    assert kept < BLOCK
