from __future__ import annotations

import pytest
import torch

from seedvr2.colour import lab, matching, wavelet
from tests.seedvr2.colour.frames import noise, picture

# sRGB and CIELAB (D65) of well-known colours.
KNOWN = [
    ((1, 1, 1), (100, 0, 0)),
    ((0, 0, 0), (0, 0, 0)),
    ((1, 0, 0), (53.2408, 80.0925, 67.2032)),
    ((0, 1, 0), (87.7347, -86.1827, 83.1793)),
    ((0, 0, 1), (32.2970, 79.1875, -107.8602)),
    ((0.5, 0.5, 0.5), (53.3890, 0, 0)),
    ((0.02, 0.03, 0.01), (1.8, -1.4, 1.4)),
]


@pytest.mark.parametrize(("srgb", "wanted"), KNOWN)
def test_known_colours(srgb: tuple[float, ...], wanted: tuple[float, ...]) -> None:
    image = torch.tensor(srgb).view(3, 1, 1).float() * 2 - 1
    tolerance = 0.02 if max(srgb) > 0.1 else 0.3
    torch.testing.assert_close(lab.to_lab(image).flatten(), torch.tensor(wanted).float(), atol=tolerance, rtol=0)


def test_there_and_back() -> None:
    image = noise(3, 64, 64)
    torch.testing.assert_close(lab.from_lab(lab.to_lab(image)), image, atol=1e-5, rtol=0)


def test_chroma_is_the_sources_and_lightness_mostly_ones_own() -> None:
    # Within the gamut, so that nothing is clamped on the way back.
    content, style = picture(1, seed=3) * 0.3, picture(1, seed=7) * 0.3
    own = lab.to_lab(wavelet.correct(content, style)[0])
    got, wanted = lab.to_lab(lab.correct(content, style)[0]), lab.to_lab(style[0])
    for channel in (1, 2):
        gap = (got[channel].flatten().sort().values - wanted[channel].flatten().sort().values).abs()
        assert gap.mean() < 0.01
    matched = wanted[0].flatten().sort().values[own[0].flatten().argsort().argsort()].view_as(own[0])
    torch.testing.assert_close(got[0], 0.8 * own[0] + 0.2 * matched, atol=0.05, rtol=0)


def test_frames_are_matched_together() -> None:
    # A clip that gets brighter keeps getting brighter: matched one by one, each frame would take on its own range.
    content, style = picture(2, seed=3), picture(2, seed=7)
    alone = torch.cat([lab.correct(content[i : i + 1], style[i : i + 1]) for i in range(2)])
    assert (lab.correct(content, style) - alone).abs().mean() > 1e-3


def test_many_pixels_are_matched_as_few_are() -> None:
    """By counting, within a small part of a level of 8 bits of what sorting gives."""
    style = picture(2, 210, 240, seed=7) * 0.8
    content = style * 0.9 + noise(2, 3, 210, 240) * 0.1 + torch.tensor([0.1, 0.0, -0.1]).view(3, 1, 1)
    assert content[:, 0].numel() > matching.FEW
    error = (lab.correct(content, style) - lab._correct_few(content, style)).abs() * 127.5
    assert error.mean() < 0.01 and error.max() < 0.5


def test_a_flat_source_makes_large_frames_flat_in_chroma() -> None:
    # Two colours of one lightness in the source, on the left and on the right.
    style = torch.empty(1, 3, 260, 260)
    for side, value in ((slice(0, 130), 0.2), (slice(130, 260), -0.3)):
        style[..., side] = lab.from_lab(torch.tensor([50.0, value * 60, 20.0]).view(3, 1, 1))[None]
    content = (style + noise(1, 3, 260, 260) * 0.05).clamp(-1, 1)
    chroma = lab.to_lab(lab.correct(content, style)[0])[1:].flatten(1)
    for channel, wanted in zip(chroma, ((12.0, -18.0), (20.0, 20.0)), strict=True):
        near = torch.stack([(channel - value).abs() for value in wanted]).amin(0)
        assert near.max() < 0.01
