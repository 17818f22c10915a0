"""A case's line: its figures, the machine and the commit, and the share of the machine's peak that it reached."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from benchmarks.cases import Case
from benchmarks.machine import others_seconds

Record = dict[str, Any]


def measure(case: Case, machine: Mapping[str, Any]) -> Record:
    """Run a case. `share_of_peak` is necessary TFLOP over seconds over this run's own peak of matrix products.

    `others_cores` is how many cores other programs kept busy meanwhile, on average.
    """
    load = round(os.getloadavg()[0], 2)
    started, others = time.perf_counter(), others_seconds()
    figures = case.measure()
    cores = (others_seconds() - others) / (time.perf_counter() - started)
    return line(case.name, {**figures, "others_cores": round(max(cores, 0.0), 2)}, machine, load)


def line(name: str, figures: Mapping[str, Any], machine: Mapping[str, Any], load_average: float) -> Record:
    """The record of a case from its figures; keys that every case has come first."""
    necessary, peak = figures.get("necessary_tflop"), figures.get("matmul_tflops")
    share = None if not necessary or not peak else round(necessary / figures["seconds"] / peak, 4)
    first = {
        "case": name,
        "seconds": round(figures["seconds"], 4),
        "best_of": figures["best_of"],
        "dtype": figures.get("dtype"),
        "necessary_tflop": None if necessary is None else round(necessary, 3),
        "matmul_tflops": peak,
        "convolution_tflops": figures.get("convolution_tflops"),
        "share_of_peak": share,
        "peak_mb": figures.get("peak_mb"),
        "load_average": load_average,
    }
    rest = {key: value for key, value in figures.items() if key not in first}
    return {**first, **rest, **machine, "date": datetime.now(UTC).isoformat(timespec="seconds")}
