from __future__ import annotations

import numpy as np
import pytest
import torch

from seedvr2.pipeline.frame_transfer import frame_transfer

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_frames_are_the_same_there_and_back(device: str, dtype: type) -> None:
    image = np.arange(5 * 7 * 3, dtype=dtype).reshape(5, 7, 3) * (np.iinfo(dtype).max // 105)
    transfer = frame_transfer(torch.device(device))
    staged = transfer.staged(image)
    assert np.array_equal(staged, image) and staged.dtype == dtype
    sent = [torch.from_numpy(staged).to(device, non_blocking=True) for _ in range(3)]
    calls = [transfer.fetched(tensor) for tensor in sent]
    del sent
    for call in calls:
        got = call()
        assert np.array_equal(got, image) and got.dtype == dtype
