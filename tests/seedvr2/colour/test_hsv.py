from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from seedvr2.colour import hsv, matching
from tests.seedvr2.colour.frames import noise


def _of_hue(low: float, high: float, saturation: tuple[float, float], count: int, seed: int) -> Tensor:
    """A frame (1, 3, 1, count) of colours with hues in degrees and saturations in these ranges."""
    random = (noise(3, count, seed=seed) + 1) / 2
    hues = (low + (high - low) * random[0]) / 360 % 1
    saturations = saturation[0] + (saturation[1] - saturation[0]) * random[1]
    values = 0.2 + 0.7 * random[2]
    pixels = [colorsys.hsv_to_rgb(*pixel) for pixel in torch.stack((hues, saturations, values), dim=1).tolist()]
    return torch.tensor(pixels).T.reshape(1, 3, 1, count) * 2 - 1


def _to_hsv(frames: Tensor) -> Tensor:
    """(3, pixels) by the standard library."""
    pixels = ((frames + 1) / 2).permute(0, 2, 3, 1).reshape(-1, 3).tolist()
    return torch.tensor([colorsys.rgb_to_hsv(*pixel) for pixel in pixels]).T


def test_hue_and_value_stay_and_saturation_is_the_sources() -> None:
    content = _of_hue(100, 115, (0.2, 0.9), 600, seed=1)
    style = _of_hue(95, 119, (0.1, 0.4), 600, seed=2)
    own, got, wanted = (_to_hsv(frames) for frames in (content, hsv.correct(content, style), style))
    torch.testing.assert_close(got[0], own[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(got[2], own[2], atol=1e-6, rtol=0)
    torch.testing.assert_close(got[1].sort().values, wanted[1].sort().values, atol=1e-5, rtol=0)
    assert (got[1][own[1].argsort()].diff() >= -1e-5).all()


def test_each_hue_is_matched_by_itself() -> None:
    greens, blues = ((100, 110), (220, 230))
    content = torch.cat([_of_hue(*hue, (0.5, 0.9), 300, seed=1) for hue in (greens, blues)], dim=3)
    style = torch.cat((_of_hue(*greens, (0.1, 0.2), 300, seed=2), _of_hue(*blues, (0.6, 0.7), 300, seed=3)), dim=3)
    got = _to_hsv(hsv.correct(content, style))[1]
    assert got[:300].max() < 0.21
    assert got[300:].min() > 0.59


def test_a_few_pixels_of_a_hue_are_left_alone() -> None:
    for count, changes in ((100, False), (101, True)):
        content = _of_hue(100, 110, (0.5, 0.9), count, seed=1)
        style = _of_hue(100, 110, (0.1, 0.2), count, seed=2)
        got = hsv.correct(content, style)
        assert ((got - content).abs().max() > 0.01) == changes


def test_red_is_not_cut_in_two() -> None:
    # The source has only the orange side of red; the pink side of the content is matched to it all the same.
    content = torch.cat((_of_hue(1, 29, (0.5, 0.9), 300, seed=1), _of_hue(331, 359, (0.5, 0.9), 60, seed=2)), dim=3)
    style = _of_hue(1, 29, (0.1, 0.2), 360, seed=3)
    assert _to_hsv(hsv.correct(content, style))[1].max() < 0.21
    # With enough pink on both sides, pink is matched to pink.
    content = torch.cat((_of_hue(1, 29, (0.5, 0.9), 300, seed=1), _of_hue(331, 359, (0.5, 0.9), 300, seed=2)), dim=3)
    style = torch.cat((_of_hue(1, 29, (0.1, 0.2), 300, seed=3), _of_hue(331, 359, (0.6, 0.7), 300, seed=4)), dim=3)
    got = _to_hsv(hsv.correct(content, style))[1]
    assert got[300:].min() > 0.59


def test_grey_counts_as_red() -> None:
    content = noise(1, 1, 1, 300, seed=1).expand(1, 3, 1, 300)
    style = _of_hue(1, 29, (0.1, 0.2), 300, seed=2)
    own, got, wanted = (_to_hsv(frames) for frames in (content, hsv.correct(content, style), style))
    assert got[0].max() < 1e-4
    torch.testing.assert_close(got[2], own[2], atol=1e-6, rtol=0)
    # Where it is nearly black, the rounding of the channels is most of the saturation.
    torch.testing.assert_close(got[1].sort().values, wanted[1].sort().values, atol=1e-3, rtol=0)


def test_saturation() -> None:
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0.5, 0.25, 0.25], [1.5, 1, 1]]).T[:, None] * 2 - 1
    torch.testing.assert_close(hsv.saturation(colours), torch.tensor([[0, 0, 1, 0.5, 0]]))


def test_many_pixels_are_matched_as_few_are() -> None:
    """By counting, within a small part of a level of 8 bits of what sorting gives."""
    hues = ((3, 29), (95, 119), (215, 235), (335, 359))
    content, style = (
        torch.cat([_of_hue(*hue, saturation, 20_000, seed + i) for i, hue in enumerate(hues)], dim=3)
        for saturation, seed in (((0.3, 0.9), 1), ((0.2, 0.6), 11))
    )
    assert content[:, 0].numel() > matching.FEW
    error = (hsv.correct(content, style) - hsv._correct_few(content, style)).abs() * 127.5
    assert error.mean() < 0.01 and error.max() < 0.5
    assert (hsv.correct(content, style) - content).abs().max() * 127.5 > 20


def test_of_many_pixels_a_few_of_a_hue_are_left_alone_too() -> None:
    grey = torch.zeros(1, 3, 1, 70_000)
    for count, changes in ((100, False), (101, True)):
        content = torch.cat((_of_hue(100, 110, (0.5, 0.9), count, seed=1), grey), dim=3)
        style = torch.cat((_of_hue(100, 110, (0.1, 0.2), count, seed=2), grey), dim=3)
        got = hsv.correct(content, style)
        assert ((got - content).abs().max() > 0.01) == changes
        # Pink is matched together with red where there is too little of it.
        content[:, :, :, :count], style[:, :, :, :count] = (
            _of_hue(331, 359, saturation, count, seed=3) for saturation in ((0.5, 0.9), (0.1, 0.2))
        )
        assert ((hsv.correct(content, style) - content)[..., :count].abs().max() > 0.01).item()
