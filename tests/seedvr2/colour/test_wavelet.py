from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seedvr2.colour import wavelet
from tests.seedvr2.colour.frames import noise, picture


def _by_definition(image: Tensor) -> Tensor:
    """Five dilated 3x3 convolutions with replicated borders."""
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    for spacing in (1, 2, 4, 8, 16):
        reach = min(spacing, min(image.shape[1:]) // 8)
        padded = F.pad(image[None], (reach,) * 4, mode="replicate")
        image = F.conv2d(padded, kernel, dilation=reach, groups=3)[0]
    return image


@pytest.mark.parametrize("size", [(130, 140), (40, 48), (8, 200), (17, 9)])
def test_the_blur_is_five_dilated_binomials(size: tuple[int, int]) -> None:
    image = noise(3, *size) * 0.5
    # What is flat has no detail, so all that is taken over is the coarse part of the source.
    got = wavelet.correct(torch.zeros(1, 3, *size), image[None])[0]
    torch.testing.assert_close(got, _by_definition(image), atol=1e-6, rtol=0)


def test_large_frames_are_put_together_of_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = picture(1, 90, 70, seed=3), picture(1, 90, 70, seed=7)
    whole = wavelet.correct(content, style)
    monkeypatch.setattr("seedvr2.colour.bands._PER_THREAD", 3 * 90 * 7 // torch.get_num_threads())
    assert torch.equal(wavelet.correct(content, style), whole)


def test_detail_is_the_contents_and_the_rest_the_sources() -> None:
    content, style = picture(2, 90, 70, seed=3) * 0.4, picture(2, 90, 70, seed=7) * 0.4
    for result, own, other in zip(wavelet.correct(content, style), content, style, strict=True):
        wanted = own - _by_definition(own) + _by_definition(other)
        torch.testing.assert_close(result, wanted, atol=1e-6, rtol=0)


def test_frames_do_not_touch_each_other() -> None:
    content, style = picture(3, seed=3), picture(3, seed=7)
    alone = torch.cat([wavelet.correct(content[i : i + 1], style[i : i + 1]) for i in range(3)])
    assert torch.equal(wavelet.correct(content, style), alone)
