from __future__ import annotations

import torch

from seedvr2.colour import adain
from tests.seedvr2.colour.frames import picture


def test_each_channel_of_each_frame_takes_mean_and_spread() -> None:
    content, style = picture(3, seed=3), picture(3, seed=7) * torch.tensor([0.3, 0.6, 1.0]).view(3, 1, 1, 1)
    got = adain.correct(content, style)
    torch.testing.assert_close(got.mean(dim=(2, 3)), style.mean(dim=(2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(got.std(dim=(2, 3)), style.std(dim=(2, 3)), atol=1e-4, rtol=0)
    # And nothing else: what it does to a channel is a line.
    own = content[0, 0].flatten()
    slope, offset = torch.linalg.lstsq(torch.stack((own, torch.ones_like(own)), dim=1), got[0, 0].flatten()).solution
    torch.testing.assert_close(got[0, 0].flatten(), own * slope + offset, atol=1e-4, rtol=0)


def test_a_flat_frame_takes_the_mean() -> None:
    got = adain.correct(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), -0.25))
    torch.testing.assert_close(got, torch.full((1, 3, 8, 8), -0.25))
