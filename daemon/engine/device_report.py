"""What PyTorch really computes on, and if that is no GPU, why. Imports torch: for the engine's process only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pynvml
import torch

from daemon.engine.messages import DeviceReport
from daemon.engine.start_checks import NO_GPU, NO_GPU_FOR_GOOD
from daemon.engine.visible import VARIABLE
from seedvr2.planning import host_memory

MIB = 1 << 20
# What CUDA itself keeps on the card for a process; counts as ours.
_CONTEXT = 1 << 30
# Others hold much if it is more than this share of the card.
_MUCH = 4


def look(device: torch.device) -> DeviceReport:
    """What `device` is. On a GPU something small is computed first, which fails where its driver is in trouble.

    Raises:
        RuntimeError: it fails.
    """
    if device.type != "cuda":
        memory = host_memory.capacity() // MIB
        return DeviceReport(device=device.type, why=why_no_gpu(), memory_mb=memory, torch=str(torch.__version__))
    _prove(device)
    facts = torch.cuda.get_device_properties(device)
    visible = os.environ.get(VARIABLE, "")
    return DeviceReport(
        device="cuda",
        name=facts.name,
        # An instance of a divided card goes by a UUID of its own.
        uuid=visible if visible.startswith("MIG-") else f"GPU-{facts.uuid}" if hasattr(facts, "uuid") else "",
        memory_mb=facts.total_memory // MIB,
        free_mb=torch.cuda.mem_get_info(device)[0] // MIB,
        capability=f"{facts.major}.{facts.minor}",
        driver=_driver(),
        runtime=torch.version.cuda or "",
        torch=str(torch.__version__),
    )


def why_no_gpu() -> str:
    """Why PyTorch has no GPU here, in one sentence without a stop."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "this PyTorch is built for the processor alone; install the one for your CUDA from pytorch.org"
    if os.environ.get(VARIABLE) in ("", "-1"):
        return f"the settings hide it (model.gpu, model.device, or {VARIABLE} in the environment)"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call] # PyTorch has no type for it
    except (RuntimeError, AssertionError) as error:
        return _reason(str(error))
    return "model.device says so"


def held_by_others(device: torch.device) -> int:
    """MiB of the card that other programs hold; 0 where that is not much, or on the processor."""
    if device.type != "cuda":
        return 0
    free, total = torch.cuda.mem_get_info(device)
    others = total - free - torch.cuda.memory_reserved(device) - _CONTEXT
    return others // MIB if others > total // _MUCH else 0


def _prove(device: torch.device) -> None:
    square = torch.ones(16, 16, device=device)
    # Errors of a GPU are told late: at the latest when a number is wanted.
    if (square @ square).sum().item() != 16**3:
        raise RuntimeError("CUDA error: a small product came out wrong")


def _reason(text: str) -> str:
    if "too old" in text:
        return (
            f"the NVIDIA driver {_driver()} is too old for this PyTorch, which needs CUDA {torch.version.cuda}; "
            "update the driver, or install the PyTorch for an older CUDA"
        )
    if "no NVIDIA driver" in text:
        return "there is no NVIDIA driver"
    if "No CUDA GPUs" in text:
        return "the driver shows no GPU to this process"
    return text.partition("\n")[0].rstrip(".")


def _driver() -> str:
    return _asked(lambda: str(pynvml.nvmlSystemGetDriverVersion()))


def _asked(ask: Callable[[], str]) -> str:
    try:
        pynvml.nvmlInit()
        return ask()
    except pynvml.NVMLError:
        return ""


def main() -> int:
    """Say why there is no GPU, for `start_checks.py`, which explains the exit status."""
    if torch.cuda.is_available():
        return 0
    print(why_no_gpu())
    hidden = os.environ.get(VARIABLE) in ("", "-1")
    return NO_GPU_FOR_GOOD if hidden or (torch.version.cuda is None and torch.version.hip is None) else NO_GPU


if __name__ == "__main__":
    sys.exit(main())
