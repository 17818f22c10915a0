"""Blocks whose weights are sent when they are used, on a device that does things as early or as late as it may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seedvr2.checkpoint import open_checkpoint
from seedvr2.network.build import load_dit
from seedvr2.network.dit import DiT
from seedvr2.network.swap import BlockSwap, swapped_blocks
from tests.seedvr2.network.networks import SMALL_DIT, random_dit
from tests.seedvr2.network.transfers import FakeDevice

QUANT = Path(__file__).parents[2] / "fixtures" / "golden" / "quant"
SIX = replace(SMALL_DIT, shared=(False, False, True, True, True, True))


def _swapping(device: FakeDevice, blocks: tuple[int, ...] = (0, 1, 3, 4)) -> DiT:
    dit = random_dit(SIX)
    dit.swap = BlockSwap(dit.blocks, blocks, device)
    device.watch(dit.blocks)
    return dit


@torch.no_grad()
def _run(dit: DiT, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(1, 12, 16, dit.config.input_channels, generator=generator)
    result: torch.Tensor = dit(latent, torch.randn(7, dit.config.text_channels, generator=generator))
    return result


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("blocks", [(0,), (5,), (0, 1), (1, 3, 5), (0, 1, 2, 3, 4, 5)])
def test_swapped_blocks_compute_with_their_own_weights(late: bool, blocks: tuple[int, ...]) -> None:
    dit, device = random_dit(SIX), FakeDevice(late)
    wanted = [_run(dit, seed) for seed in (1, 2)]
    dit.swap = BlockSwap(dit.blocks, blocks, device)
    # Weights at other addresses may be summed in another order.
    for seed, answer in zip((1, 2), wanted, strict=True):
        torch.testing.assert_close(_run(dit, seed), answer, atol=1e-5, rtol=0)
    assert len(device.events) == 2 * len(blocks)


@pytest.mark.parametrize("file", ["model_fp8_e4m3fn.safetensors", "model-Q4_K.gguf"])
@pytest.mark.parametrize("late", [False, True])
def test_what_travels_is_what_is_stored(file: str, late: bool) -> None:
    whole, device = load_dit(open_checkpoint(QUANT / file)), FakeDevice(late)
    swapped = load_dit(open_checkpoint(QUANT / file), blocks_to_swap=len(whole.blocks), transfer=device)
    torch.testing.assert_close(_run(swapped), _run(whole), atol=1e-5, rtol=0)
    checkpoint = open_checkpoint(QUANT / file)
    stored = sum(
        getattr(checkpoint.tensor(name), "nbytes")  # noqa: B009 - of a tensor or of a packed one
        for name, shape in checkpoint.shapes.items()
        if name.startswith("blocks.") and len(shape) > 1
    )
    sent = sum(event.size for event in device.events)
    # Beside the numbers only what aligns them.
    assert stored <= sent < stored + 256 * len(checkpoint.shapes)


def test_the_next_blocks_weights_are_on_their_way_before_a_block_computes() -> None:
    device = FakeDevice()
    _run(_swapping(device))
    order = [event.kind if event.block is None else event.block for event in device.events]
    assert order == ["copy", "copy", 0, "copy", 1, "copy", 3, 4]


@pytest.mark.parametrize("late", [False, True])
def test_no_buffer_is_overwritten_while_it_is_in_use_and_none_is_used_before_it_is_full(late: bool) -> None:
    device = FakeDevice(late)
    dit = _swapping(device)
    _run(dit)
    _run(dit)
    uses = copies = 0
    for position, event in enumerate(device.events):
        before = [other for other in device.events[:position] if other.buffer == event.buffer]
        if event.kind == "copy":
            # Every use so far of this buffer is known to be over when the copy begins.
            assert all(event.known.computed > other.known.computed for other in before if other.kind == "use")
            copies += 1
        else:
            last = next(other for other in reversed(before) if other.kind == "copy")
            assert event.known.copied > last.known.copied
            uses += 1
    assert (copies, uses) == (8, 8)


def test_two_blocks_are_on_the_device_and_none_after_the_pass() -> None:
    device = FakeDevice()
    dit = _swapping(device)
    assert dit.swap is not None
    largest = max(weights.nbytes for weights in dit.swap._weights)
    _run(dit)
    assert device.most == dit.swap.resident_bytes == 2 * largest
    assert device.alive() == 0


@pytest.mark.parametrize("late", [False, True])
def test_a_pass_that_breaks_off_leaves_nothing_behind(late: bool) -> None:
    device = FakeDevice(late)
    dit = _swapping(device)
    wanted = _run(dit)

    def stop(name: str, _tensor: torch.Tensor) -> None:
        if name == "block1.vid":
            raise InterruptedError

    with pytest.raises(InterruptedError) as caught, torch.no_grad():
        dit(torch.randn(1, 12, 16, 9), torch.randn(7, 24), probe=stop)
    # Also while somebody still looks at the error, and with it at what the frames of the stack hold.
    assert caught.value.__traceback__ is not None and device.alive() == 0
    # No copy is still to come that would write into memory that is someone else's by now.
    assert not device._waiting
    assert torch.equal(_run(dit), wanted)


def test_blocks_that_wait_are_spread_among_those_that_do_not() -> None:
    assert swapped_blocks(32, 0) == ()
    assert swapped_blocks(6, 3) == (1, 3, 5)
    assert swapped_blocks(36, 1) == (18,)
    assert swapped_blocks(4, 9) == (0, 1, 2, 3)
    for count in range(1, 33):
        chosen = swapped_blocks(32, count)
        assert len(set(chosen)) == count and max(chosen) < 32


def test_on_a_processor_nothing_travels(tmp_path: Path) -> None:
    tensors = {name: tensor.clone() for name, tensor in random_dit(SIX).state_dict().items()}
    save_file(tensors, tmp_path / "a.safetensors")
    dit = load_dit(open_checkpoint(tmp_path / "a.safetensors"), blocks_to_swap=4)
    assert dit.swap is None and dit.transfer is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("file", ["model_fp8_e4m3fn.safetensors", "model-Q4_K.gguf"])
def test_a_real_gpu_swaps_without_changing_the_result(file: str) -> None:
    whole, swapped = (
        load_dit(open_checkpoint(QUANT / file), device="cuda", dtype=torch.bfloat16, blocks_to_swap=n) for n in (0, 99)
    )
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(1, 12, 16, 33, generator=generator).to("cuda", torch.bfloat16)
    text = torch.randn(58, 48, generator=generator).to("cuda", torch.bfloat16)
    with torch.no_grad():
        for _ in range(20):
            torch.testing.assert_close(swapped(latent, text), whole(latent, text))
