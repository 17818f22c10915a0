"""Blocks of 32 elements with one scale, and the four-bit floating point types built like them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from seedvr2.checkpoint.ggml.blocks import Decoder, half, nibbles, shifted, single, small_fields

# The 16 levels of the non-linear four-bit types.
IQ4_LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
# Twice the values of a 4-bit float (1 sign, 2 exponent, 1 mantissa bit); the scales are halved to match.
E2M1_DOUBLED = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)


def q4_0(blocks: Tensor, out: Tensor) -> None:
    """scale · (q - 8)"""
    nibbles(blocks[:, 2:], 1, out)
    out.sub_(8).mul_(half(blocks, 0))


def q4_1(blocks: Tensor, out: Tensor) -> None:
    """scale · q + minimum"""
    nibbles(blocks[:, 4:], 1, out)
    out.mul_(half(blocks, 0)).add_(half(blocks, 2))


def q5_0(blocks: Tensor, out: Tensor) -> None:
    """scale · (q - 16); the fifth bits lie apart"""
    _five_bits(blocks[:, 6:], blocks[:, 2:6], out)
    out.sub_(16).mul_(half(blocks, 0))


def q5_1(blocks: Tensor, out: Tensor) -> None:
    """scale · q + minimum; the fifth bits lie apart"""
    _five_bits(blocks[:, 8:], blocks[:, 4:8], out)
    out.mul_(half(blocks, 0)).add_(half(blocks, 2))


def q8_0(blocks: Tensor, out: Tensor) -> None:
    """scale · q"""
    out.copy_(blocks[:, 2:].view(torch.int8)).mul_(half(blocks, 0))


def q8_1(blocks: Tensor, out: Tensor) -> None:
    """scale · q; beside the scale lies a sum that only dot products use. Early files have both in float32."""
    scale = single(blocks, 0) if blocks.shape[1] == 40 else half(blocks, 0)
    out.copy_(blocks[:, -32:].view(torch.int8)).mul_(scale)


def q1_0(blocks: Tensor, out: Tensor) -> None:
    """± scale, one bit each"""
    out.copy_(small_fields(blocks[:, 2:], 1)).mul_(2).sub_(1).mul_(half(blocks, 0))


def iq4_nl(blocks: Tensor, out: Tensor) -> None:
    """scale · level"""
    _levels(blocks[:, 2:], 1, IQ4_LEVELS, out)
    out.mul_(half(blocks, 0))


def iq4_xs(blocks: Tensor, out: Tensor) -> None:
    """scale · (6-bit sub-scale - 32) · level, eight sub-blocks of 32"""
    count = blocks.shape[0]
    low = torch.stack((blocks[:, 4:8] & 15, blocks[:, 4:8] >> 4), dim=-1).flatten(1)
    high = small_fields(blocks[:, 2:4], 2)
    scales = half(blocks, 0) * (low | high << 4).float().sub_(32)
    _levels(blocks[:, 8:], 8, IQ4_LEVELS, out)
    out.view(count, 8, 32).mul_(scales.unsqueeze(-1))


def mxfp4(blocks: Tensor, out: Tensor) -> None:
    """4-bit floats under a shared power of two"""
    _levels(blocks[:, 1:], 1, E2M1_DOUBLED, out)
    out.mul_(_half_power_of_two(blocks[:, :1].int()))


def nvfp4(blocks: Tensor, out: Tensor) -> None:
    """4-bit floats in groups of 16, each under an 8-bit floating point scale"""
    count = blocks.shape[0]
    scales = _ue4m3_halves(blocks.device)[blocks[:, :4].int()]
    _levels(blocks[:, 4:], 4, E2M1_DOUBLED, out)
    out.view(count, 4, 16).mul_(scales.unsqueeze(-1))


def tq2_0(blocks: Tensor, out: Tensor) -> None:
    """scale · (q - 1), two bits each"""
    count = blocks.shape[0]
    out.view(count, 2, 4, 32).copy_(shifted(blocks[:, :64].reshape(count, 2, 32), (0, 2, 4, 6), 3))
    out.sub_(1).mul_(half(blocks, 64))


def tq1_0(blocks: Tensor, out: Tensor) -> None:
    """scale · (q - 1), five ternary digits in a byte, read from the top by multiplying"""
    _trits(blocks[:, :32], 5, out[:, :160])
    _trits(blocks[:, 32:48], 5, out[:, 160:240])
    _trits(blocks[:, 48:52], 4, out[:, 240:])
    out.sub_(1).mul_(half(blocks, 52))


def _five_bits(packed: Tensor, fifth: Tensor, out: Tensor) -> None:
    quants = torch.empty(out.shape, dtype=torch.uint8, device=out.device)
    nibbles(packed, 1, quants)
    out.copy_(quants.bitwise_or_(small_fields(fifth, 1) << 4))


def _trits(packed: Tensor, digits: int, out: Tensor) -> None:
    width = packed.shape[1]
    for digit in range(digits):
        # The product wraps at 256: what is left is the fraction below the digits already read.
        out[:, digit * width : (digit + 1) * width] = ((packed * 3**digit).int() * 3) >> 8


def _levels(packed: Tensor, groups: int, levels: tuple[int, ...], out: Tensor) -> None:
    indices = torch.empty(out.shape, dtype=torch.uint8, device=out.device)
    nibbles(packed, groups, indices)
    torch.index_select(_table(levels, out.device), 0, indices.view(-1).int(), out=out.view(-1))


@cache
def _table(levels: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(levels, dtype=torch.float32, device=device)


def _half_power_of_two(exponents: Tensor) -> Tensor:
    """2^(e - 128), made from its bits; the two smallest are below the normal range."""
    return torch.where(exponents < 2, 0x00200000 << exponents, (exponents - 1) << 23).view(torch.float32)


def _ue4m3_halves(device: torch.device) -> Tensor:
    """Half the value of each unsigned 8-bit float (4 exponent, 3 mantissa bits, the sign bit ignored)."""
    values = []
    for code in range(256):
        exponent, mantissa = code >> 3 & 15, code & 7
        value = mantissa / 512 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
        values.append(0.0 if code == 0x7F else value / 2)
    return _table(tuple(values), device)


DECODERS: dict[str, Decoder] = {
    "Q4_0": q4_0,
    "Q4_1": q4_1,
    "Q5_0": q5_0,
    "Q5_1": q5_1,
    "Q8_0": q8_0,
    "Q8_1": q8_1,
    "Q1_0": q1_0,
    "IQ4_NL": iq4_nl,
    "IQ4_XS": iq4_xs,
    "MXFP4": mxfp4,
    "NVFP4": nvfp4,
    "TQ1_0": tq1_0,
    "TQ2_0": tq2_0,
}
