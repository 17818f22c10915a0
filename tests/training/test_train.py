from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from seedvr2.checkpoint import open_checkpoint
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.nano.initialise import FREE, make_dit
from seedvr2.nano.pca import stored_basis
from seedvr2.network.build import load_dit, load_vae
from seedvr2.network.windows import window_layout
from seedvr2.pipeline.sampler import draw_noise, model_input, sample
from tests.seedvr2.nano.scene import psnr, scene
from training.decoder import PatchDecoder
from training.forward import Encoder, predict, repeat_layout
from training.samples import Samples, Setting
from training.train import Rates, Run, loss_of, rate_at

SETTING = Setting(stills=(2, 64), clips=(2, 48), clip_share=0.0)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_encoder_and_decoder_are_the_vae() -> None:
    torch.manual_seed(0)
    encoder, decoder = Encoder(stored_basis()), PatchDecoder(stored_basis(), torch.float32)
    for parameter in decoder.parameters():
        parameter.requires_grad_(False).add_(0.02 * torch.randn(parameter.shape))
    vae = decoder.vae(stored_basis())
    clip = scene(48, 64)[:, None] * 2 - 1
    latent = vae.encode(clip)
    torch.testing.assert_close(encoder(clip.transpose(0, 1)[None])[0], latent, atol=2e-2, rtol=1e-2)
    own = decoder(latent[None])[0]
    assert psnr(own, clip.transpose(0, 1)) < 40  # the learned part is far from idle
    torch.testing.assert_close(own, vae.decode(latent).transpose(0, 1), atol=2e-2, rtol=0)


def test_an_untrained_decoder_hands_through() -> None:
    encoder, decoder = Encoder(stored_basis()), PatchDecoder(stored_basis(), torch.float32)
    clip = scene(48, 64)[None, None] * 2 - 1
    assert psnr(decoder(encoder(clip)).detach(), clip) > 36


@pytest.mark.parametrize("shape", [(1, 32, 32), (5, 24, 24)], ids=["stills", "clips"])
def test_a_batch_of_one_is_what_the_product_computes(shape: tuple[int, int, int]) -> None:
    dit, text = make_dit()
    generator = torch.Generator().manual_seed(0)
    for parameter in dit.parameters():  # not only the path of the condition
        parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    condition, noise = (draw_noise((*shape, 28), seed) for seed in (1, 2))
    expected = sample(lambda x, t: dit(model_input(x, condition), text, t), noise)
    found = predict(dit, text, noise[None], condition[None], torch.float32)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shifted", [False, True])
def test_no_window_reaches_from_clip_to_clip(shifted: bool) -> None:
    clip = window_layout((2, 8, 12), (2, 8, 8), shifted, torch.device("cpu"))
    batch = repeat_layout(clip, 3, 2 * 8 * 12)
    tokens = torch.cat([group.tokens.flatten() for group in batch.groups])
    assert torch.equal(tokens.sort().values, torch.arange(3 * 2 * 8 * 12))
    for group in batch.groups:
        owner = group.tokens // (2 * 8 * 12)
        assert torch.equal(owner, owner[:, :1].expand_as(owner))
    assert batch.count == 3 * clip.count


def test_training_lowers_the_loss_and_leaves_the_path_of_the_condition_alone(folder: Path) -> None:
    run = Run(folder, Rates(), SETTING)
    resized, target = next(iter(Samples(folder, SETTING, 0)))
    path = run.trainee.dit.vid_out.proj.weight.detach().clone()
    losses = [run.one_step(resized, target, 1.0) for _ in range(20)]
    assert losses[-1] < losses[0] - 0.02
    changed = run.trainee.dit.vid_out.proj.weight != path
    assert changed[:, FREE].any()
    assert not changed[:, : FREE.start].any()


def test_a_run_resumes_where_it_stopped_and_exports_what_the_product_loads(folder: Path, tmp_path: Path) -> None:
    Run(folder, Rates(), SETTING).train(2)
    resumed = Run(folder, Rates(), SETTING)
    assert resumed.step == 2
    resumed.train(3)
    with (folder / "run" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "3"]
    resumed.export(tmp_path)
    dit = load_dit(open_checkpoint(tmp_path / DIT_FILE.name))
    load_vae(open_checkpoint(tmp_path / VAE_FILE.name))
    weight = resumed.average.dit.blocks[1].get_parameter("mlp.all.proj_out.weight")
    assert weight.any()
    torch.testing.assert_close(dit.blocks[1].get_parameter("mlp.all.proj_out.weight"), weight.half())


def test_the_rate_warms_up_stays_level_and_falls_to_zero() -> None:
    rates = [rate_at(step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[100] == rates[690] == 1.0
    assert rates[850] == pytest.approx(0.5)
    assert rates[1000] == 0.0


def test_the_loss_counts_the_gain_of_each_picture_alike() -> None:
    rich, plain = scene(32, 32)[None, None] * 2 - 1, torch.zeros(1, 1, 3, 32, 32)
    target = torch.cat((rich, plain))

    def loss(first: float, second: float) -> float:
        error = torch.tensor([first, second]).view(2, 1, 1, 1, 1)
        return float(loss_of(target + error, target))

    gain_of_either = [loss(0.2, 0.1) - loss(0.1, 0.1), loss(0.2, 0.1) - loss(0.2, 0.05)]
    assert gain_of_either[0] == pytest.approx(gain_of_either[1], rel=0.1)
    assert loss(0.001, 0.1) == pytest.approx(loss(0.002, 0.1), abs=0.02)  # within the floor


def test_examples_are_made_without_touching_the_threads_of_the_training_process(folder: Path) -> None:
    torch.set_num_threads(2)
    next(iter(Samples(folder, SETTING, 0)))
    assert torch.get_num_threads() == 2
