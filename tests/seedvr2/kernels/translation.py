"""Translates every kernel for a card that need not be there, as its own launch asks for it, and prints the PTX.

`python translation.py CAPABILITY DTYPE` in a process of its own, since the interpreter must not be at work. It runs
nothing: results are whatever was in the memory.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from seedvr2 import kernels
from seedvr2.checkpoint.ggml import BLOCKS
from seedvr2.kernels import switch
from seedvr2.kernels.ggml import KINDS


def main(capability: int, dtype: torch.dtype) -> None:
    found: dict[str, str] = {}
    run = JITFunction.run

    def translate(kernel: JITFunction, *given: Any, grid: Any, warmup: bool, **options: Any) -> None:
        compiled = run(kernel, *given, grid=grid, warmup=True, **options)
        found[kernel.fn.__name__] = compiled.asm["ptx"]

    JITFunction.run = translate
    target = GPUTarget("cuda", capability, 32)
    card = {"get_current_target": target, "get_current_device": 0, "get_current_stream": 0}
    driver.set_active(SimpleNamespace(**{name: lambda *_, value=value: value for name, value in card.items()}))
    switch._on_card = lambda x: True  # type: ignore[assignment]
    launch_all(dtype)
    if switch.failed():
        sys.exit(f"cannot be translated: {switch.failed()}")
    json.dump(found, sys.stdout)


def launch_all(dtype: torch.dtype) -> None:
    x = torch.zeros(2, 18, 34, 128, dtype=dtype).permute(0, 3, 1, 2)
    vector, tokens = torch.zeros(128), torch.zeros(40, 128, dtype=dtype)
    kernels.norm_silu(x, 32, vector, vector, 1e-6, x)
    kernels.rms_modulate(tokens, vector, vector, 1e-5)
    angles = torch.zeros(40, 63)
    kernels.norm_rotate(torch.zeros(40, 3, 20, 128, dtype=dtype)[:, 0], vector, angles, angles, 1e-5)
    for kind in KINDS:
        elements, block_bytes = BLOCKS[kind]
        blocks = torch.zeros(64, block_bytes, dtype=torch.uint8)
        kernels.unpack_into(blocks, kind, torch.zeros(64, elements, dtype=dtype))
    kernels.widen(torch.zeros(64, 128).to(torch.float8_e4m3fn), dtype)


if __name__ == "__main__":
    main(int(sys.argv[1]), getattr(torch, sys.argv[2]))
