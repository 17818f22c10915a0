"""Frames that are made of the source's integers one at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seedvr2.pipeline.preprocess import normalise, pad_to, resize, resize_in_two_steps
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.source_frames import SourceFrames, to_float
from tests.seedvr2.pipeline.live import LiveBytes

CPU = torch.device("cpu")
# A limit that makes the first size another one than the last.
SIZES = plan_sizes(44, 30, 66, 80)


def _images(count: int, channels: int = 3, dtype: type = np.uint8) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return [generator.integers(0, np.iinfo(dtype).max, (30, 44, channels), dtype=dtype) for _ in range(count)]


def _source(images: list[np.ndarray], reference: bool = False) -> SourceFrames[np.ndarray]:
    return SourceFrames(tuple(images), lambda image: image, CPU, SIZES, reference)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("reference", [False, True])
def test_frames_made_one_by_one_are_those_made_together(dtype: type, reference: bool) -> None:
    images = _images(3, 4, dtype)
    source = _source(images, reference)
    together = torch.stack([to_float(image, CPU) for image in images])
    resized = (resize_in_two_steps if reference else resize)(together[..., :3], SIZES)
    order = (0, 1, 2, 1, 0)
    wanted = normalise(pad_to(resized, SIZES.padded))[list(order)].transpose(0, 1)
    assert torch.equal(source.clip(order, torch.float32), wanted)
    assert torch.equal(source.clip(order, torch.bfloat16), wanted.bfloat16())
    width, height = SIZES.output
    styled = normalise(resized[:, :, :height, :width])
    assert source.style.shape == styled.shape
    assert all(torch.equal(source.style[index], styled[index]) for index in range(3))
    alpha = source.alpha
    assert alpha is not None and alpha.shape == (3, 1, 30, 44)
    assert all(torch.equal(alpha[index][0], together[index, ..., 3]) for index in range(3))


def test_there_is_no_alpha_where_there_is_none() -> None:
    assert _source(_images(1)).alpha is None


def test_frames_from_an_index_on_are_those_behind_it() -> None:
    source = _source(_images(4))
    assert torch.equal(source.from_index(1).style[1], source.style[2])
    assert source.from_index(3).style.shape[0] == 1


def test_a_clip_lies_in_memory_as_the_vae_wants_it_and_frames_pass_one_at_a_time() -> None:
    source = _source(_images(9))
    width, height = SIZES.padded
    frame = 3 * width * height
    with LiveBytes() as live:
        clip = source.clip(tuple(range(9)), torch.float16)
    assert clip.transpose(0, 1).is_contiguous(memory_format=torch.channels_last)
    # The clip in half precision, and no more than a few frames in float32 beside it.
    assert 9 * frame * 2 <= live.peak < (9 * 2 + 5 * 4) * frame
