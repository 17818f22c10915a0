"""How far a VAE looks back, told from its weights and as it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seedvr2.nano import VAE_FILE
from seedvr2.network.config import VAEConfig
from seedvr2.network.reach import Reach, reach_in_file, reach_of
from seedvr2.network.vae import VideoVAE
from tests.seedvr2.network.networks import SMALL_VAE, random_vae

DEEPER = replace(SMALL_VAE, widths=(8, 8, 16, 16), down_kernels=(1, 3, 3), up_factors=(2, 2, 1))


def _looking_back(share: float, config: VAEConfig = SMALL_VAE) -> VideoVAE:
    """A VAE whose kernels have so much of their size on earlier frames."""
    vae = random_vae(config)
    for weight in vae.parameters():
        if weight.ndim == 5 and weight.shape[2] == 3:
            weight.data[:, :, :2] *= share
    return vae


def _reach(vae: VideoVAE) -> Reach:
    return reach_of(vae.config, lambda name: vae.state_dict()[name])


def test_the_embedded_model_looks_at_one_frame() -> None:
    assert reach_in_file(VAE_FILE) == Reach(1, 0, 0)


def test_what_lies_on_earlier_frames_is_what_counts() -> None:
    reaches = [_reach(_looking_back(share)) for share in (0.0, 0.1, 0.3, 1.0)]
    assert reaches[0] == Reach(2, 1, 1)
    assert [reach.encoder for reach in reaches] == sorted({reach.encoder for reach in reaches})
    assert [reach.decoder for reach in reaches] == sorted({reach.decoder for reach in reaches})


@pytest.mark.parametrize("share", [0.1, 0.4])
@pytest.mark.parametrize("config", [SMALL_VAE, DEEPER])
def test_beyond_its_reach_a_vae_gives_what_it_would_have_given(share: float, config: VAEConfig) -> None:
    vae = _looking_back(share, config)
    reach, factor = _reach(vae), config.temporal_factor
    latents = max(reach.encoder, reach.decoder) + 6
    generator = torch.Generator().manual_seed(1)
    clip = torch.randn(3, factor * (latents - 1) + 1, 16, 16, generator=generator).clamp(-1, 1)
    with torch.no_grad():
        latent = vae.encode(clip)
        frames = vae.decode(latent)
        begin = 4
        late = vae.encode(clip[:, factor * begin :])[reach.encoder :]
        shown = vae.decode(latent[begin:])[:, factor * (reach.decoder - 1) + 1 :]

    def worst(got: torch.Tensor, whole: torch.Tensor) -> float:
        """The error at the 99.9th percentile, in 255ths of nearly the whole range."""
        spread = whole.flatten().quantile(0.999) - whole.flatten().quantile(0.001)
        return float((got - whole).abs().flatten().quantile(0.999) / spread * 255)

    assert worst(late, latent[begin + reach.encoder :]) < 1
    assert worst(shown, frames[:, factor * (begin + reach.decoder - 1) + 1 :]) < 1
