"""The initial nano hands the picture through, by the product's own code, in every type and for every seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from seedvr2.checkpoint import open_checkpoint
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.nano.initialise import make_dit, make_vae, save
from seedvr2.nano.pca import measure, stored_basis
from seedvr2.network.build import load_dit, load_vae
from seedvr2.pipeline.sampler import draw_noise, model_input, sample
from tests.seedvr2.nano.scene import psnr, scene, upscaled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nano")
    save(folder, *make_dit(), make_vae(stored_basis()))
    return folder


@torch.no_grad()
def restore(folder: Path, clip: Tensor, dtype: torch.dtype, seed: int) -> Tensor:
    """A clip (3, T, H, W) in 0…1 through encoder, transformer and decoder."""
    checkpoint = open_checkpoint(folder / DIT_FILE.name)
    dit, vae = load_dit(checkpoint, dtype=dtype), load_vae(open_checkpoint(folder / VAE_FILE.name), dtype=dtype)
    text = checkpoint.tensor("positive_conditioning").to(dtype)
    latent = vae.encode((clip * 2 - 1).to(dtype)).float()
    noise = draw_noise(tuple(latent.shape), seed)
    restored = sample(lambda x, t: dit(model_input(x, latent).to(dtype), text, t).float(), noise)
    return vae.decode(restored.to(dtype)).float() / 2 + 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("seed", [0, 42])
def test_the_result_is_the_resize_seen_through_the_vae(folder: Path, dtype: torch.dtype, seed: int) -> None:
    resized = upscaled(scene(80, 112), 2)
    assert psnr(restore(folder, resized[:, None], dtype, seed)[:, 0], resized) > 40


def test_frames_stand_alone(folder: Path) -> None:
    frames = [upscaled(scene(32, 48, seed), 2) for seed in range(3)]
    together = restore(folder, torch.stack(frames, dim=1), torch.float32, 0)
    for index, frame in enumerate(frames):
        assert psnr(together[:, index], restore(folder, frame[:, None], torch.float32, 1)[:, 0]) > 60


def test_the_stored_basis_is_orthonormal_and_ordered() -> None:
    basis = stored_basis()
    rows = basis.rows.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-6, rtol=0)
    assert basis.deviations.diff().max() <= 0


def test_measure_finds_the_components_of_the_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(48, 48, generator=generator)).Q[:, :28]
    weights = torch.arange(28, 0, -1.0)
    blocks = torch.randn(20_000, 28, generator=generator) * weights @ directions.T
    basis = measure(blocks)
    torch.testing.assert_close(basis.deviations.float(), weights, rtol=0.05, atol=0)
    overlap = (basis.rows.flatten(1).float() @ directions).square().sum(1)
    torch.testing.assert_close(overlap, torch.ones(28), atol=1e-3, rtol=0)
