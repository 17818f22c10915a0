"""From numbers to packed blocks. The K types are fitted here; the simple ones are the gguf package's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from seedvr2.checkpoint.ggml.blocks import BLOCKS
from seedvr2.checkpoint.ggml.fitting import Fit, fit_affine, fit_symmetric

Encoder = Callable[[Tensor], Tensor]

# Elements encoded at a time: on a CPU by each thread, so that some ten tensors of this size fit its cache.
_PIECE = 1 << 17
_DEVICE_PIECE = 1 << 24


def quantize(values: Tensor, kind: str) -> Tensor:
    """`values` as blocks of ggml type `kind`: uint8 (blocks, bytes of a block), on the same device.

    Args:
        values: finite numbers of any shape and floating point type whose last size is a multiple of the block's.
        kind: one of `ENCODERS`.
    """
    elements, _ = BLOCKS[kind]
    if values.shape[-1] % elements:
        raise ValueError(f"rows of {values.shape[-1]} numbers do not divide into {kind} blocks of {elements}")
    blocks = values.reshape(-1, elements)
    piece = _PIECE * torch.get_num_threads() if values.device.type == "cpu" else _DEVICE_PIECE
    step = max(1, piece // elements)
    return torch.cat([ENCODERS[kind](blocks[start : start + step].float()) for start in range(0, len(blocks), step)])


def _by_gguf(kind: str) -> Encoder:
    def encode(x: Tensor) -> Tensor:
        from gguf import GGMLQuantizationType, quants

        # As one row: the package loops in Python over groups of rows.
        with np.errstate(all="ignore"):
            packed = quants.quantize(x.cpu().numpy().reshape(1, -1), GGMLQuantizationType[kind])
        return torch.from_numpy(packed).view(len(x), -1).to(x.device)

    return encode


def _q2_k(x: Tensor) -> Tensor:
    fit = fit_affine(x.view(-1, 16, 16), levels=3, small_max=15)
    scales = _bytes(fit.small_scales) | _bytes(fit.small_minimums) << 4
    return torch.cat((scales.flatten(1), _spread(_by_half(fit), 2), _half(fit.scale), _half(fit.minimum)), dim=1)


def _q3_k(x: Tensor) -> Tensor:
    fit = fit_symmetric(x.view(-1, 16, 16), levels=4, small_max=32)
    scales = _bytes(fit.small_scales + 32).flatten(1)
    low = scales[:, :8] & 15 | scales[:, 8:] << 4
    high = _spread((scales >> 4).view(-1, 1, 4, 4), 2)
    q = _by_half(fit, offset=4)
    third = _spread((q >> 2).view(-1, 1, 8, 32), 1)
    return torch.cat((third, _spread(q & 3, 2), low, high, _half(fit.scale)), dim=1)


def _q4_k(x: Tensor) -> Tensor:
    fit = fit_affine(x.view(-1, 8, 32), levels=15, small_max=63)
    return torch.cat((_scales_and_minimums(fit), _spread(_bytes(fit.quants).view(-1, 4, 2, 32), 4)), dim=1)


def _q5_k(x: Tensor) -> Tensor:
    fit = fit_affine(x.view(-1, 8, 32), levels=31, small_max=63)
    q = _bytes(fit.quants)
    fifth = _spread((q >> 4).view(-1, 1, 8, 32), 1)
    return torch.cat((_scales_and_minimums(fit), fifth, _spread((q & 15).view(-1, 4, 2, 32), 4)), dim=1)


def _q6_k(x: Tensor) -> Tensor:
    fit = fit_symmetric(x.view(-1, 16, 16), levels=32, small_max=128)
    q = _by_half(fit, offset=32)
    low = (q & 15).view(-1, 2, 2, 64)
    scales = fit.small_scales.to(torch.int8).view(torch.uint8).flatten(1)
    return torch.cat((_spread(low, 4), _spread(q >> 4, 2), scales, _half(fit.scale)), dim=1)


def _scales_and_minimums(fit: Fit) -> Tensor:
    """The head of a Q4_K or Q5_K block, uint8 (n, 16); `kquants.unpack_scales` shows the packing."""
    scales, minimums = _bytes(fit.small_scales).flatten(1), _bytes(fit.small_minimums).flatten(1)
    first = scales[:, :4] | scales[:, 4:] >> 4 << 6
    second = minimums[:, :4] | minimums[:, 4:] >> 4 << 6
    mixed = scales[:, 4:] & 15 | minimums[:, 4:] << 4
    return torch.cat((_half(fit.scale), _half(fit.minimum), first, second, mixed), dim=1)


def _by_half(fit: Fit, offset: int = 0) -> Tensor:
    """Quants as the two-bit packings want them: each half of a super-block as four runs of 32."""
    return _bytes(fit.quants + offset).view(-1, 2, 4, 32)


def _spread(fields: Tensor, width: int) -> Tensor:
    """Fields put together into bytes: uint8 (n, g, f, w), the f-th `width`·f bits up, to (n, g·w)."""
    packed = fields[:, :, 0].clone()
    for index in range(1, fields.shape[2]):
        packed |= fields[:, :, index] << width * index
    return packed.flatten(1)


def _half(values: Tensor) -> Tensor:
    return values.half().view(torch.uint8)


def _bytes(values: Tensor) -> Tensor:
    return values.to(torch.uint8)


_SIMPLE = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
ENCODERS: dict[str, Encoder] = {
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    **{name: _by_gguf(name) for name in _SIMPLE},
}
