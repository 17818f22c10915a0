"""The kernels for packed weights against the decoders in torch, which are equal to the gguf package's bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seedvr2.checkpoint.ggml import BLOCKS, dequantize
from seedvr2.checkpoint.ggml.decoding import DECODERS
from seedvr2.kernels import ggml, unpack_into

BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}


def random_blocks(kind: str, count: int, *, start: int = 0) -> Tensor:
    """Random bits, also of scales that are infinite or no numbers; from some byte of their memory on."""
    size = BLOCKS[kind][1]
    generator = torch.Generator().manual_seed(size)
    return torch.randint(0, 256, (start + count * size,), dtype=torch.uint8, generator=generator)[start:].view(
        count, size
    )


def decoded(blocks: Tensor, kind: str) -> Tensor:
    out = torch.empty(len(blocks), BLOCKS[kind][0])
    DECODERS[kind](blocks, out)
    return out


def assert_equal_bits(got: Tensor, wanted: Tensor) -> None:
    assert torch.equal(got.isnan(), wanted.isnan())
    real = ~wanted.isnan()
    assert real.float().mean() > 0.8
    bits = BITS[wanted.dtype]
    assert torch.equal(got.view(bits)[real], wanted.view(bits)[real])


@pytest.mark.parametrize("dtype", BITS)
@pytest.mark.parametrize("kind", sorted(ggml.KINDS))
@pytest.mark.parametrize(("count", "start"), [(300, 0), (1, 0), (37, 1), (64, 2)])
def test_kernels(device: torch.device, kind: str, dtype: torch.dtype, count: int, start: int) -> None:
    blocks = random_blocks(kind, count, start=start)
    elements = BLOCKS[kind][0]
    memory = torch.full((count + 1, elements), 7.0, dtype=dtype, device=device)
    moved = torch.zeros(start + blocks.numel(), dtype=torch.uint8, device=device)[start:].view(blocks.shape)
    assert unpack_into(moved.copy_(blocks), kind, memory[:count])
    exact = decoded(blocks, kind)
    if dtype == torch.bfloat16 and device.type == "cpu":
        # Triton's interpreter cuts off what does not fit into the type, a card rounds.
        exact = (exact.view(torch.int32) & ~0xFFFF).view(torch.float32)
    assert_equal_bits(memory[:count].cpu(), exact.to(dtype))
    assert (memory[count] == 7.0).all()


def test_weights_on_a_card_are_unpacked_by_the_kernels(device: torch.device) -> None:
    blocks = random_blocks("Q6_K", 9)
    got = dequantize(blocks.to(device), "Q6_K", torch.float16).cpu()
    assert_equal_bits(got, decoded(blocks, "Q6_K").half().view(-1))


def test_on_the_processor_the_decoders_do_it() -> None:
    out = torch.full((2, 256), 7.0)
    assert not unpack_into(random_blocks("Q4_K", 2), "Q4_K", out)
    assert (out == 7.0).all()
