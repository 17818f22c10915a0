from __future__ import annotations

import pytest
import torch

from seedvr2.colour.bands import bands


@pytest.mark.parametrize("size", [(3, 1, 1), (3, 500, 700), (3, 3000, 40), (3, 1, 2_000_000)])
@pytest.mark.parametrize("dim", [1, 2])
def test_parts_are_all_of_it_in_order_and_not_too_large(size: tuple[int, ...], dim: int) -> None:
    image = torch.empty(size)
    parts = list(bands(image, dim))
    indices = [index for part in parts for index in range(size[dim])[part]]
    assert indices == list(range(size[dim]))
    most = max(image.narrow(dim, 0, part.stop - part.start).numel() for part in parts)
    assert most <= max(2**17 * torch.get_num_threads(), image.numel() // size[dim])


def test_a_device_gets_all_of_it_at_once() -> None:
    assert list(bands(torch.empty(3, 3000, 4000, device="meta"), 1)) == [slice(0, 3000)]
