"""The networks at real size, each stage alone: VAE and transformer, in a child process (`worker.py`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.models import dit_file, vae_file
from benchmarks.necessary import decode_flop, encode_flop, transformer_flop
from benchmarks.random_checkpoint import TEXT_SHAPE
from seedvr2.planning.published import DIT_3B, DIT_7B, VAE

Figures = dict[str, Any]
Size = tuple[int, int, int]  # frames, height, width

_CONFIGS = {"3b": DIT_3B, "7b": DIT_7B}


@dataclass(frozen=True, slots=True)
class Network:
    """One stage over one clip.

    Attributes:
        stage: `encode`, `decode` or `transformer`. size: of the clip in pixels.
        params, precision: of the transformer's weights.
        runs: how often; the fastest counts.
    """

    stage: str
    size: Size
    params: str = ""
    precision: str = ""
    runs: int = 3

    def weights(self) -> Path:
        """Its weight file, made where it is missing."""
        return dit_file(self.params, self.precision) if self.params else vae_file()

    def flop(self) -> int:
        """Operations that are necessary."""
        frames, height, width = self.size
        if self.params:
            latent = ((frames - 1) // 4 + 1, height // 8, width // 8)
            return transformer_flop(_CONFIGS[self.params], latent, TEXT_SHAPE[0])
        return (encode_flop if self.stage == "encode" else decode_flop)(VAE, frames, (height, width))

    def measure(self) -> Figures:
        """Seconds and peak of memory."""
        with Worker(self) as worker:
            times = [worker.run() for _ in range(self.runs)]
            ending = worker.finish()
        return {
            **timed(times),
            "necessary_tflop": self.flop() / 1e12,
            "warm_up": "a corner of the clip",
            **{key: worker.facts[key] for key in ("dtype", "threads", "load_s")},
            **ending,
        }


class Worker:
    """A process that holds the network of a case; use it in a `with`.

    Attributes:
        facts: what it said of itself.
    """

    def __init__(self, case: Network, *, tree: Path = ROOT, keep: bool = True) -> None:
        """Start it and wait until it is warm.

        Args:
            tree: the folder whose `seedvr2` it runs; `benchmarks` is this one's in any case.
            keep: whether freed memory is kept for the next block.

        Raises:
            RuntimeError: it ended, or it runs another tree's engine.
        """
        command = [sys.executable, "-P", "-m", "benchmarks.worker", case.stage, str(case.weights())]
        command += [*map(str, case.size)]
        path = os.pathsep.join(dict.fromkeys(map(str, (tree, ROOT))))
        self._process = subprocess.Popen(
            command if keep else [*command, "--no-keep"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            self.facts = self._answer()
            if Path(self.facts["engine"]) != tree / "seedvr2":
                raise RuntimeError(f"The worker runs {self.facts['engine']}, not the engine of {tree}.")
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self) -> float:
        """Seconds of one run."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def finish(self) -> Figures:
        """Let it end. Answers `peak_mb`, and what the processor reaches, measured before and after the runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._answer()

    def _end(self) -> None:
        with self._process:
            self._process.kill()

    def _answer(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The worker ended with the status {self._process.wait()}.")
        answer: Figures = json.loads(line)
        return answer


def timed(times: list[float]) -> Figures:
    """The fastest of some runs, how many there were, and all of them."""
    return {
        "seconds": round(min(times), 4), "best_of": len(times), "all_seconds": [round(time, 4) for time in times]
    }  # fmt: skip
