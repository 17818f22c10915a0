"""Operations of a batch, which are counted on a small one: the same as of the batch itself."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.tiling import Tiling
from seedvr2.pipeline.sampler import model_input
from seedvr2.planning.arithmetic import count_operations
from seedvr2.planning.facts import ModelFacts, facts_of_files, facts_of_published
from seedvr2.planning.published import DIT_3B, VAE
from seedvr2.selection import NANO


@pytest.fixture(scope="module")
def nano() -> ModelFacts:
    return facts_of_files(NANO.name, NANO.dit, NANO.vae, 4)


@torch.no_grad()
def whole(facts: ModelFacts, size: tuple[int, int], frames: int) -> int:
    """Counted by running all of a batch."""
    dit, vae, (width, height) = meta_dit(facts.dit), meta_vae(facts.vae_config), size
    factor = facts.vae_config.spatial_factor
    latents = ((frames - 1) // facts.vae_config.temporal_factor + 1, height // factor, width // factor)
    with FlopCounterMode(display=False) as counter:
        vae.encode(torch.empty(3, frames, height, width, device="meta"))
        latent = torch.empty(*latents, facts.dit.latent_channels, device="meta")
        dit(model_input(latent, latent), torch.empty(58, facts.dit.text_channels, device="meta"))
        vae.decode(latent)
    return int(counter.get_total_flops())


@pytest.mark.parametrize(("size", "frames"), [((320, 192), 1), ((640, 352), 5)])
def test_it_is_what_running_the_batch_would_take(nano: ModelFacts, size: tuple[int, int], frames: int) -> None:
    assert count_operations(nano, size, frames) == pytest.approx(whole(nano, size, frames), rel=0.05)


def test_tiles_are_counted_with_their_overlap(nano: ModelFacts) -> None:
    plain = count_operations(nano, (1024, 512), 5)
    tiled = count_operations(nano, (1024, 512), 5, Tiling((512, 512), (64, 64)), 3)
    assert 1.2 * plain < tiled < 1.5 * plain


def test_long_batches_of_published_models_are_counted_too() -> None:
    facts = facts_of_published("3B", DIT_3B, VAE, "fp8_e4m3fn")
    short, long = (count_operations(facts, (1280, 720), frames) for frames in (5, 21))
    assert short == pytest.approx(155e12, rel=0.1)
    # Six latents instead of two, and five slices after the first frame instead of one.
    assert 3 * short < long < 5 * short
