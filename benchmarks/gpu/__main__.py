"""`python -m benchmarks.gpu`: check this card; exit 1 where a row is out of its tolerance."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.gpu import report, scale
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.runner import StepResult, run
from benchmarks.gpu.steps import STEPS
from seedvr2.allocator import grow_segments


def main(arguments: list[str] | None = None) -> int:
    """Run the steps that were asked for, tell of each, and write the report after each."""
    options = _parser().parse_args(arguments)
    small = options.small or not torch.cuda.is_available()
    # With its number, which some functions of the allocator want to be told.
    device = torch.device("cpu") if small else torch.device("cuda", torch.cuda.current_device())
    if not small:
        grow_segments(device)
    bench = Bench(device, scale.small() if small else scale.full())
    steps = [step for step in STEPS if step.number in options.only]
    name = "The processor" if small else torch.cuda.get_device_name(device)
    results: list[StepResult] = []

    def on_step(result: StepResult) -> None:
        results.append(result)
        report.write(options.out, results, device=name, small=small, complete=len(results) == len(steps))
        print(f"{result.number}. {result.title}: {result.seconds:.1f} s", flush=True)
        for row in result.rows:
            if row.ok is False:
                print(f"   FAIL {row.name}: {row.value} {row.unit} ({row.tolerance})", flush=True)

    # What is compared is the arithmetic itself, not its shortcuts.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    run(bench, steps, patience=options.patience, on_step=on_step)
    found = report.counts(results)
    print(f"{found['ok']} ok, {found['failed']} failed, {found['not_run']} not run: {options.out / report.NAME}.md")
    return 0 if report.passed(results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=_OUT, metavar="DIR", help=f"where the report goes ({_OUT})")
    parser.add_argument("--small", action="store_true", help="tiny sizes on the processor; the default without a GPU")
    parser.add_argument("--only", type=_numbers, default=_ALL, metavar="N,…", help="these steps only, of 1 to 11")
    parser.add_argument("--patience", type=float, default=1.0, metavar="X", help="so many times as long for the steps")
    return parser


_OUT = Path("build/check-gpu")
_ALL = frozenset(step.number for step in STEPS)


def _numbers(text: str) -> frozenset[int]:
    numbers = frozenset(int(part) for part in text.split(","))
    if not numbers <= _ALL:
        raise argparse.ArgumentTypeError(f"{text} names steps that there are not; choose from 1 to 11")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
