"""This tree's networks beside another commit's: the same weights, in turns, in one run.

Both are loaded and warm before the first round, so what else the machine does falls on both alike.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.machine import ROOT
from benchmarks.networks import Network, Worker


@contextmanager
def engine_of(commit: str) -> Iterator[Path]:
    """A temporary folder with the engine of a commit. Raises LookupError where there is no such commit."""
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", commit, "seedvr2"], capture_output=True)
    if packed.returncode:
        raise LookupError(f"There is no engine of {commit!r}: {packed.stderr.decode(errors='replace').strip()}")
    with tempfile.TemporaryDirectory(prefix="seedvr2-against-") as name:
        folder = Path(name).resolve()
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield folder


def compare(case: Case, commit: str, tree: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """Times and peaks of both, with freed memory kept and without."""
    assert case.network is not None
    for keep in (True, False):
        print(f"{case.name}, {'keeping' if keep else 'returning'} freed memory…", file=sys.stderr)
        yield {
            "case": case.name,
            "against": commit,
            "keep_freed_blocks": keep,
            **_both(case.network, tree, keep, rounds),
        }


def _both(network: Network, tree: Path, keep: bool, rounds: int) -> dict[str, Any]:
    with ExitStack() as stack:
        old, new = (stack.enter_context(Worker(network, tree=root, keep=keep)) for root in (tree, ROOT))
        before, after = [], []
        for _ in range(rounds):
            before.append(old.run())
            after.append(new.run())
        ending_new, ending_old = new.finish(), old.finish()
        return {
            "ratio": round(min(after) / min(before), 4),
            "seconds": round(min(after), 4),
            "seconds_before": round(min(before), 4),
            "best_of": rounds,
            "peak_mb": ending_new["peak_mb"],
            "peak_mb_before": ending_old["peak_mb"],
            "dtype": new.facts["dtype"],
            "dtype_before": old.facts["dtype"],
            **{name: ending_new[name] for name in ("matmul_tflops", "convolution_tflops")},
        }
