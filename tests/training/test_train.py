from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seedvr2.checkpoint import open_checkpoint
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.nano.initialise import FREE, HINT_SIGNALS, LATENTS, make_dit
from seedvr2.nano.pca import stored_basis
from seedvr2.network.build import load_dit, load_vae
from seedvr2.network.windows import window_layout
from seedvr2.pipeline.sampler import draw_noise, model_input, sample
from tests.seedvr2.nano.scene import psnr, scene
from training.decoder import PatchDecoder
from training.forward import Encoder, predict, repeat_layout
from training.phases import Phase
from training.samples import Example, Samples, Setting
from training.train import Run, loss_of

SETTING = Setting(stills=(2, 64), clips=(2, 48))
HINTS_ONLY = Phase("hints", 2, SETTING, transformer=(1e-3, 1e-4), transformer_every=1)
DECODER_ONLY = Phase("decoder", 2, SETTING, decoder=(1e-3, 1e-3))
JOINT = Phase("joint", 2, SETTING, transformer=(1e-3, 1e-3), decoder=(1e-3, 1e-3), transformer_every=2)
PHASES = (HINTS_ONLY, DECODER_ONLY, JOINT)


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
        # Enough for features as large as training makes them, beside which the constants of the norms must stay large.
        parameter.requires_grad_(False).add_(0.04 * torch.randn(parameter.shape))
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
    condition, noise = (draw_noise((*shape, LATENTS), seed) for seed in (1, 2))
    expected = sample(lambda x, t: dit(model_input(x, condition), text, t), noise)
    found = predict(dit, text, noise[None], condition[None], torch.float32)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_each_clip_of_a_batch_is_as_it_would_be_alone() -> None:
    dit, text = make_dit()
    generator = torch.Generator().manual_seed(0)
    for parameter in dit.parameters():
        parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    condition, noise = (draw_noise((3, 2, 24, 24, LATENTS), seed) for seed in (1, 2))
    together = predict(dit, text, noise, condition, torch.float32)
    alone = [predict(dit, text, noise[i : i + 1], condition[i : i + 1], torch.float32) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shifted", [False, True])
def test_no_window_reaches_from_clip_to_clip(shifted: bool) -> None:
    clip = window_layout((2, 8, 12), (2, 8, 8), shifted, torch.device("cpu"))
    batch = repeat_layout(clip, 3, 2 * 8 * 12)
    tokens = torch.cat([group.tokens.flatten() for group in batch.groups])
    assert torch.equal(tokens.sort().values, torch.arange(3 * 2 * 8 * 12))
    for group in batch.groups:
        owner = group.tokens // (2 * 8 * 12)
        assert torch.equal(owner, owner[:, :1].expand_as(owner))
    assert (batch.clips, batch.count) == (3, clip.count)


@pytest.fixture
def example(folder: Path) -> Example:
    return next(iter(Samples(folder, SETTING, 0)))


@pytest.mark.long
def test_together_they_gain_and_leave_the_path_of_the_condition_alone(folder: Path, example: Example) -> None:
    run = Run(folder, PHASES)
    path = run.trainee.dit.vid_out.proj.weight.detach().clone()
    gains = [run.one_step(example, JOINT) for _ in range(30)]
    assert gains[-1] > gains[0] + 0.1
    changed = run.trainee.dit.vid_out.proj.weight != path
    assert changed[HINT_SIGNALS, FREE].any()
    changed[HINT_SIGNALS, FREE] = False
    assert not changed.any()


@pytest.mark.long
def test_the_transformer_first_learns_to_tell_the_faults(folder: Path, example: Example) -> None:
    run = Run(folder, PHASES)
    before = run.trainee.decoder.entry.matrix.detach().clone()
    phase = replace(HINTS_ONLY, steps=60)
    errors = [run.one_step(example, phase) for _ in range(60)]
    assert errors[-1] < 0.75 * errors[0]
    assert torch.equal(run.trainee.decoder.entry.matrix, before)


def test_the_decoder_learns_while_the_transformer_stands_still(folder: Path, example: Example) -> None:
    run = Run(folder, PHASES)
    before = {name: tensor.clone() for name, tensor in run.trainee.dit.state_dict().items()}
    gains = [run.one_step(example, DECODER_ONLY) for _ in range(40)]
    assert gains[-1] > gains[0] + 0.1
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.trainee.dit.state_dict().items())


def test_a_run_resumes_where_it_stopped_and_exports_what_the_product_loads(folder: Path, tmp_path: Path) -> None:
    Run(folder, PHASES[:2]).train()
    resumed = Run(folder, PHASES)
    assert (resumed.phase, resumed.step) == (2, 0)
    resumed.train()
    with (folder / "run" / "log.csv").open() as file:
        assert [(row["phase"], row["step"]) for row in csv.DictReader(file)] == [(p.name, "2") for p in PHASES]
    resumed.export(tmp_path)
    dit = load_dit(open_checkpoint(tmp_path / DIT_FILE.name))
    load_vae(open_checkpoint(tmp_path / VAE_FILE.name))
    weight = resumed.average.dit.blocks[1].get_parameter("mlp.all.proj_out.weight")
    assert weight.any()
    torch.testing.assert_close(dit.blocks[1].get_parameter("mlp.all.proj_out.weight"), weight.half())


def test_a_new_run_goes_on_from_the_weights_that_ship(folder: Path, tmp_path: Path) -> None:
    for name in ("pictures.bin", "pictures.json"):
        (tmp_path / name).symlink_to(folder / name)
    Run(tmp_path, PHASES, start=DIT_FILE.parent).export(tmp_path / "exported")
    for file in (DIT_FILE, VAE_FILE):
        shipped, found = load_file(file), load_file(tmp_path / "exported" / file.name)
        assert found.keys() == shipped.keys()
        for name, tensor in shipped.items():
            # Channels that balance others are summed anew, from what float16 left of some forty of these.
            torch.testing.assert_close(found[name].float(), tensor.float(), atol=4e-3, rtol=2e-3, msg=name)


def test_an_export_may_be_the_mean_with_another(folder: Path, tmp_path: Path) -> None:
    run = Run(folder, PHASES)
    run.export(tmp_path / "before")
    generator = torch.Generator().manual_seed(0)
    for parameter in run.average.decoder.parameters():
        parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    run.export(tmp_path / "after")
    run.export(tmp_path / "mean", tmp_path / "before")
    before, after, mean = (load_file(tmp_path / name / VAE_FILE.name) for name in ("before", "after", "mean"))
    for name, tensor in mean.items():
        expected = (before[name].float() + after[name].float()) / 2
        torch.testing.assert_close(tensor.float(), expected, atol=2e-3, rtol=2e-3, msg=name)
    assert not torch.equal(mean["decoder.conv_in.weight"], after["decoder.conv_in.weight"])


def test_the_loss_counts_the_gain_of_each_picture_alike() -> None:
    rich, plain = scene(32, 32)[None, None] * 2 - 1, torch.zeros(1, 1, 3, 32, 32)
    target = torch.cat((rich, plain))

    def loss(first: float, second: float) -> float:
        error = torch.tensor([first, second]).view(2, 1, 1, 1, 1)
        return float(loss_of(target + error, target))

    gain_of_either = [loss(0.2, 0.1) - loss(0.1, 0.1), loss(0.2, 0.1) - loss(0.2, 0.05)]
    assert gain_of_either[0] == pytest.approx(gain_of_either[1], rel=0.1)
    assert loss(0.0005, 0.1) == pytest.approx(loss(0.001, 0.1), abs=0.02)  # within the floor


def test_examples_are_made_without_touching_the_threads_of_the_training_process(folder: Path) -> None:
    torch.set_num_threads(2)
    next(iter(Samples(folder, SETTING, 0)))
    assert torch.get_num_threads() == 2
