"""`python -m seedvr2 convert IN OUT --precision …`"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; its `run` default takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "convert",
        help="convert a weight file to another precision or format",
        description="Convert a safetensors, GGUF or PyTorch weight file. The result's suffix, .safetensors or .gguf, "
        "says its format. Precisions: fp32, fp16, bf16, fp8_e4m3fn (safetensors); fp32, fp16, bf16, Q8_0, Q6_K, "
        "Q5_K_M, Q4_K_M, Q3_K_M, Q2_K, Q5_1, Q5_0, Q4_1, Q4_0 (GGUF).",
    )
    parser.add_argument("source", metavar="IN", type=Path)
    parser.add_argument("target", metavar="OUT", type=Path)
    parser.add_argument("--precision", required=True, metavar="NAME", help="see above")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--device", default="auto", help="where to compute: auto (a GPU if there is one), cpu, cuda…")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert, with a line of progress when a person is watching."""
    import torch  # seconds; not for --help

    from seedvr2.checkpoint.convert import convert

    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.monotonic()
    size = convert(
        arguments.source,
        arguments.target,
        arguments.precision,
        overwrite=arguments.force,
        device=device,
        on_progress=_show if sys.stderr.isatty() else None,
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"{arguments.target}: {size / 1e9:.2f} GB in {time.monotonic() - began:.0f} s")
    return 0


def _show(done: int, total: int) -> None:
    print(f"\r{done / 1e9:.2f} of {total / 1e9:.2f} GB ({done * 100 // max(total, 1)} %)", end="", file=sys.stderr)
