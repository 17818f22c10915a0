"""The decoder of nano as what it is while its branches are idle: one linear map from 3x3 latents to 4x4 pixels.

It is trained in this form, which costs next to nothing, and then written into the VAE's weights. It sees the
neighbouring latents, so it can sharpen and hide the edges of blocks, but not their mean colours: where a picture
ends, missing neighbours are zeros, which is harmless for texture and would be a grey frame for colours.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.nano.initialise import LATENTS, latent_scales, make_vae
from seedvr2.nano.pca import BLOCK, Basis
from seedvr2.network.vae import VideoVAE

# The leading components are the mean brightness and the two mean colours of a block.
MEANS = 3


class PatchDecoder(nn.Module):
    """Latents (N, T, h, w, 28) to frames (N, T, 3, 4h, 4w)."""

    def __init__(self, basis: Basis) -> None:
        super().__init__()
        rows = (basis.rows / latent_scales(basis).view(-1, 1, 1, 1)).permute(3, 1, 2, 0)  # colour, y, x, component
        weight = torch.zeros(3 * BLOCK * BLOCK, LATENTS, 3, 3)
        weight[:, :, 1, 1] = rows.flatten(0, 2)
        self.weight = nn.Parameter(weight)
        used = torch.ones_like(weight[0])
        used[:MEANS] = 0.0
        used[:, 1, 1] = 1.0
        self.used: Tensor
        self.register_buffer("used", used, persistent=False)

    def forward(self, latents: Tensor) -> Tensor:
        """Each 4x4 block of pixels from the 3x3 latents around it."""
        x = F.conv2d(latents.flatten(0, 1).permute(0, 3, 1, 2), self.weight * self.used, padding=1)
        frames = F.pixel_shuffle(x, BLOCK)
        return frames.view(*latents.shape[:2], *frames.shape[1:])

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Least squares from (latents, frames): the best linear restoration, from which training starts."""
        columns = self.used.flatten().nonzero()[:, 0]
        count = len(columns)
        # A ridge towards the plain inverse, so that rare directions stay as they are.
        gram, moment = (
            1e-3 * torch.eye(count, dtype=torch.float64),
            torch.zeros(count, len(self.weight), dtype=torch.float64),
        )
        samples = 1.0
        for latents, frames in pairs:
            x = F.unfold(latents.flatten(0, 1).permute(0, 3, 1, 2), 3, padding=1)[:, columns]
            y = F.pixel_unshuffle(frames.flatten(0, 1), BLOCK).flatten(2)
            x, y = x.transpose(1, 2).flatten(0, 1).double(), y.transpose(1, 2).flatten(0, 1).double()
            y = y - x @ self.weight.flatten(1)[:, columns].T.double()
            gram, moment, samples = gram + x.T @ x, moment + x.T @ y, samples + len(x)
        gram = gram + 1e-5 * samples * torch.eye(count, dtype=torch.float64)
        self.weight.view(len(self.weight), -1)[:, columns] += torch.linalg.solve(gram, moment).T.float()

    def vae(self, basis: Basis) -> VideoVAE:
        """The VAE of `make_vae` with this decoder."""
        vae = make_vae(basis)
        # (colour, y, dy, x, dx) to the decoder's (y, x, dy, dx, colour).
        kernel = (self.weight * self.used).detach().view(3, 2, 2, 2, 2, LATENTS, 3, 3)
        kernel = kernel.permute(1, 3, 2, 4, 0, 5, 6, 7).flatten(0, 4)
        vae.decoder.conv_in.weight[: len(kernel), :, 0] = kernel
        return vae
