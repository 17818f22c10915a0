"""One look at the device before anything is loaded: which type it really computes in, and what torch breaks there.

A card may say that it knows bfloat16 and have no convolution for it, and a wheel may be built without kernels for it.
So a small convolution, a matrix product and an attention are run once, in the type that was chosen and in the ones
below it, and what comes out must be finite.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812

log = logging.getLogger(__name__)

# Tensor cores take bfloat16 from this compute capability on; cuDNN has no convolution for it below.
BFLOAT16_CAPABILITY = (8, 0)
_DTYPES = (torch.bfloat16, torch.float16, torch.float32)
_EDGE = 16


@dataclass(frozen=True, slots=True)
class DeviceProbe:
    """What was found.

    Attributes:
        dtype: the type to compute in where nobody asked for one.
        failures: by type and operation, the first line of what went wrong: `bfloat16 convolution: …`.
        warning: a sentence about this version of torch, or an empty text.
    """

    device: str
    capability: tuple[int, int] | None
    dtype: torch.dtype
    failures: tuple[str, ...]
    warning: str = ""


Try = Callable[[torch.device, torch.dtype], torch.Tensor]


def probe_device(
    device: torch.device, capability: tuple[int, int] | None, operations: Sequence[tuple[str, Try]] | None = None
) -> DeviceProbe:
    """Find the type that `device` computes in: bfloat16 from compute capability 8 on, float16 below, else float32.

    Args:
        capability: CUDA's, or None for what is no CUDA device.
        operations: names and small computations; the ones that the networks are made of where None.
    """
    failures: list[str] = []
    wanted = _DTYPES if capability is None or capability >= BFLOAT16_CAPABILITY else _DTYPES[1:]
    dtype = torch.float32
    for candidate in wanted:
        faults = list(_faults(device, candidate, operations or OPERATIONS))
        failures += faults
        if not faults:
            dtype = candidate
            break
    found = DeviceProbe(str(device), capability, dtype, tuple(failures), conv3d_warning(*_versions()))
    log.info("computing on %s (compute capability %s) in %s", device, capability, str(dtype).removeprefix("torch."))
    for sentence in (*failures, found.warning):
        if sentence:
            log.warning("%s: %s", device, sentence)
    return found


@lru_cache(maxsize=8)
def probe_cuda(device: torch.device) -> DeviceProbe:
    """The probe of a real GPU, once in the life of a process."""
    return probe_device(device, torch.cuda.get_device_capability(device))


def conv3d_warning(version: str, cudnn: int | None) -> str:
    """A sentence where torch takes several times the memory for 3-D convolutions in half precision, else nothing.

    Torch 2.9 leaves cuDNN for contiguous half-precision input where cuDNN is 9.8 to 9.14 (pytorch#166643).

    Args:
        version: torch's. cudnn: cuDNN's as torch gives it, 91400 for 9.14.0; None without one.
    """
    match = re.match(r"(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) != (2, 9) or cudnn is None or not 90800 <= cudnn < 91500:
        return ""
    return (
        f"torch {version} with cuDNN {cudnn // 10000}.{cudnn // 100 % 100} takes several times the memory for 3-D "
        "convolutions; convolutions are kept channels-last here, but torch 2.10 or newer is better."
    )


def _versions() -> tuple[str, int | None]:
    return torch.__version__, torch.backends.cudnn.version()  # type: ignore[no-untyped-call]


def _faults(device: torch.device, dtype: torch.dtype, operations: Sequence[tuple[str, Try]]) -> list[str]:
    faults = []
    for name, run in operations:
        try:
            if not bool(torch.isfinite(run(device, dtype).float()).all()):
                faults.append(f"{_name(dtype)} {name}: the result is not finite")
        except RuntimeError as error:
            faults.append(f"{_name(dtype)} {name}: {str(error).splitlines()[0][:200]}")
    return faults


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _convolution(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    x, weight = (torch.ones(shape, device=device, dtype=dtype) for shape in ((1, 8, 5, _EDGE, _EDGE), (8, 8, 3, 3, 3)))
    last = torch.channels_last_3d
    return F.conv3d(x.contiguous(memory_format=last), weight.contiguous(memory_format=last), padding=(0, 1, 1))


def _product(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    x = torch.ones(_EDGE, 64, device=device, dtype=dtype)
    return F.linear(x, x.new_ones(32, 64), x.new_ones(32))


def _attention(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    x = torch.ones(2, 2, _EDGE, 128, device=device, dtype=dtype)
    return F.scaled_dot_product_attention(x, x, x)


OPERATIONS: tuple[tuple[str, Try], ...] = (
    ("convolution", _convolution),
    ("matrix product", _product),
    ("attention", _attention),
)
