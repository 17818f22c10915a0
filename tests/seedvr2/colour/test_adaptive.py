from __future__ import annotations

import torch

from seedvr2.colour import adaptive, hsv, wavelet
from tests.seedvr2.colour.frames import picture


def test_it_lies_between_wavelet_and_hsv() -> None:
    content, style = picture(2, seed=3), picture(2, seed=7) * 0.4
    smooth, tamed, got = (method.correct(content, style) for method in (wavelet, hsv, adaptive))
    low, high = torch.minimum(smooth, tamed), torch.maximum(smooth, tamed)
    assert (got >= low - 1e-6).all()
    assert (got <= high + 1e-6).all()


def test_only_what_is_oversaturated_leaves_wavelet() -> None:
    content, style = picture(2, seed=3), picture(2, seed=7)
    smooth, got = wavelet.correct(content, style), adaptive.correct(content, style)
    for before, after, source in zip(smooth, got, style, strict=True):
        excess = hsv.saturation(before) - hsv.saturation(source)
        assert torch.equal(after[:, excess <= 0.07], before[:, excess <= 0.07])
        assert ((after - before).abs().amax(0)[excess > 0.08] > 0).float().mean() > 0.95
        assert 0.01 < (excess > 0.08).float().mean() < 0.99
