"""nano over a batch of clips at once, and its encoder as the matrix that it is.

The product's transformer takes one clip. Here the tokens of many stand one after another, with windows that never
cross from clip to clip, and each has a text of its own, which takes the mean over the clip's windows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.nano.initialise import HINTS, LATENTS, latent_scales
from seedvr2.nano.pca import BLOCK, Basis
from seedvr2.network.dit import DiT
from seedvr2.network.fused import modulated_norm
from seedvr2.network.rope import RopeTable, base_frequencies
from seedvr2.network.windows import Size, WindowGroup, WindowLayout, window_layout
from seedvr2.pipeline.sampler import TIMESTEPS

# Width of the mask that follows noise and condition.
MASK = 1


class Encoder:
    """What nano's encoder computes, as one multiplication: twenty times cheaper, and exact in float32.

    In bfloat16 it is rounded where it matters: the pixels. That adds what looks like faint noise, and a transformer
    that knew only float32 took it for a fault of the picture; the product multiplies in either type.
    """

    def __init__(self, basis: Basis) -> None:
        self._weight = basis.rows.permute(0, 3, 1, 2) * latent_scales(basis).view(-1, 1, 1, 1)

    def __call__(self, clips: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """(N, T, 3, H, W) in −1…1 to (N, T, H/4, W/4, 33) in float32, computed in `dtype`."""
        latent = F.conv2d(clips.flatten(0, 1).to(dtype), self._weight.to(dtype), stride=BLOCK).float()
        latent = F.pad(latent, (0, 0, 0, 0, 0, HINTS))
        return latent.view(*clips.shape[:2], *latent.shape[1:]).permute(0, 1, 3, 4, 2)


def repeat_layout(layout: WindowLayout, clips: int, tokens: int) -> WindowLayout:
    """The windows of one clip of so many tokens, for each of `clips` clips."""
    starts = torch.arange(clips)[:, None, None] * tokens
    groups = tuple(WindowGroup(group.size, (group.tokens[None] + starts).flatten(0, 1)) for group in layout.groups)
    return WindowLayout(groups, layout.count, clips)


def patches(latents: Tensor, height: int, width: int) -> Tensor:
    """(N, T, H, W, C) as tokens (N * T, H / height, W / width, height * width * C), as the transformer orders them."""
    n, t, h, w, _ = latents.shape
    x = latents.reshape(n * t, h // height, height, w // width, width, -1)
    return x.permute(0, 1, 3, 2, 4, 5).flatten(3)


@lru_cache(maxsize=1)
def _rope_table(kind: str, count: int, head_dim: int) -> RopeTable:
    return RopeTable(kind, base_frequencies(kind, count), head_dim)


def predict(dit: DiT, text: Tensor, noise: Tensor, condition: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """The restored latents x0 = noise − v of a batch of clips.

    Args:
        dit: the transformer, weights in float32. text: (L, channels).
        noise, condition: (N, T, H, W, 33). dtype: what is multiplied in.

    Returns:
        (N, T, H, W, 33) in float32.
    """
    mask = condition.new_ones(*condition.shape[:-1], MASK)
    latents = torch.cat((noise, condition, mask), dim=-1).to(dtype)
    n, t, h, w = condition.shape[:4]
    _, ph, pw = dit.config.patch
    grid: Size = (t, h // ph, w // pw)
    video = dit.vid_in.proj(patches(latents, ph, pw).flatten(0, -2))
    words = dit.txt_in(text.to(dtype)).repeat(n, 1)
    conditioning = dit.conditioning(TIMESTEPS, video.device, dtype)
    tokens = len(video) // n
    table = _rope_table(dit.config.rope, dit.config.rope_frequencies, dit.config.head_dim)
    for index, block in enumerate(dit.blocks):
        layout = window_layout(grid, dit.config.windows, index % 2 == 1, video.device)
        layout = repeat_layout(layout, n, tokens)
        video, words = block(video[layout.order], words, conditioning.blocks[index], layout, table)
        video = video[layout.places]
    assert conditioning.output is not None
    video = cast(Tensor, dit.vid_out.proj(modulated_norm(video, *conditioning.output)))
    v = video.float().view(n * t, grid[1], grid[2], ph, pw, LATENTS).permute(0, 1, 3, 2, 4, 5)
    return noise - v.reshape(condition.shape)
