"""What is counted is what lives: no more, no less, in the layouts of a GPU."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seedvr2.planning.live import counted, dataless

MIB = 1 << 20


def block(mib: int) -> torch.Tensor:
    return torch.empty(mib * MIB, dtype=torch.uint8)


def test_storages_count_until_the_last_view_is_gone() -> None:
    with dataless(), counted() as live:
        first, second = block(3), block(2)
        view = first[:10]
        assert live.live == 5 * MIB
        del first
        assert live.live == 5 * MIB and view.numel() == 10
        del view
        assert live.live == 2 * MIB and second.numel() == 2 * MIB
        third = second + 1
        assert (live.live, live.peak) == (4 * MIB, 5 * MIB) and third.numel() == second.numel()


def test_weights_and_inputs_from_outside_do_not_count_nor_do_views_of_them() -> None:
    with dataless():
        weight = torch.empty(1024, 1024)
        with counted() as live:
            result = F.linear(torch.empty(4, 1024), weight[:512])
        assert live.peak < weight.nbytes / 10 and result.shape == (4, 512)


def test_memory_ends_where_the_card_would() -> None:
    with dataless(), counted(limit=4 * MIB) as live:
        held = [block(2)]
        with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
            held.append(block(3))
        held = [block(2)]
        assert live.live == 2 * MIB and len(held) == 1


def test_norms_answer_in_plain_order_and_convolutions_copy_what_is_not_theirs() -> None:
    """As CUDA does; on the processor a group norm keeps channels last."""
    with dataless():
        x = torch.empty(5, 64, 32, 32, dtype=torch.float16).to(memory_format=torch.channels_last)
        weight = torch.empty(64, 64, 3, 3, dtype=torch.float16)
        with counted() as live:
            normed = F.group_norm(x, 8)
        assert normed.is_contiguous() and live.peak >= 2 * x.nbytes
        clip = normed.transpose(0, 1)[None]
        with counted() as live:
            F.conv3d(clip, weight[:, :, None], padding=(0, 1, 1))
        assert live.peak == 2 * x.nbytes
        with counted() as live:
            F.conv2d(x, weight, padding=1)
        # The weight is copied to the input's layout, the input is not.
        assert live.peak == x.nbytes + weight.nbytes
