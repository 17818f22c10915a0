"""From packed blocks to numbers, in pieces small enough that the temporaries stay in the cache."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seedvr2.checkpoint.ggml import kquants, legacy
from seedvr2.checkpoint.ggml.blocks import BLOCKS, Decoder
from seedvr2.kernels import unpack_into

# Elements decoded at a time: by each thread of a CPU about its cache, on a GPU enough to fill the machine.
CPU_PIECE = 1 << 19
DEVICE_PIECE = 1 << 25


def _through_numpy(kind: str) -> Decoder:
    """The gguf package's own decoder: for the rare types whose code books it carries. Exact, on the CPU, slow."""

    def decode(blocks: Tensor, out: Tensor) -> None:
        from gguf import GGMLQuantizationType, quants

        # As one row: the package loops in Python over groups of rows.
        row = blocks.contiguous().cpu().numpy().reshape(1, -1)
        with np.errstate(all="ignore"):
            values = quants.dequantize(row, GGMLQuantizationType[kind])
        out.copy_(torch.from_numpy(values).view(out.shape))

    return decode


_CODE_BOOKS = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S")
DECODERS: dict[str, Decoder] = {
    **legacy.DECODERS,
    **kquants.DECODERS,
    **{name: _through_numpy(name) for name in _CODE_BOOKS},
}


def is_supported(kind: str) -> bool:
    """Whether blocks of ggml type `kind` can be dequantised."""
    return kind in DECODERS and kind in BLOCKS


def dequantize(data: Tensor, kind: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """The numbers in `data`, uint8 (blocks, bytes of a block), as a flat tensor on the same device.

    Exact in float32, equal bit for bit to ggml's own; rounded once to `dtype`.
    """
    decode, (elements, _) = DECODERS[kind], BLOCKS[kind]
    count = data.shape[0]
    out = torch.empty((count, elements), dtype=dtype, device=data.device)
    if unpack_into(data, kind, out):
        return out.view(-1)
    piece = CPU_PIECE * torch.get_num_threads() if data.device.type == "cpu" else DEVICE_PIECE
    step = max(1, piece // elements)
    exact = out if dtype == torch.float32 else torch.empty((min(step, count), elements), device=data.device)
    for start in range(0, count, step):
        blocks, target = data[start : start + step], out[start : start + step]
        if exact is out:
            decode(blocks, target)
        else:
            decode(blocks, exact[: len(blocks)])
            target.copy_(exact[: len(blocks)])
    return out.view(-1)
