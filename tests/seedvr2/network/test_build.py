"""Weight files become networks: strictly, and at their stored precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seedvr2.checkpoint import PackedTensor, open_checkpoint
from seedvr2.errors import CheckpointError
from seedvr2.network.build import load_dit, load_vae
from seedvr2.network.upsample import Upsample
from seedvr2.network.vae_layers import ResnetBlock
from seedvr2.pipeline.sampler import model_input
from seedvr2.places import as_on_a_device
from tests.seedvr2.network.networks import SMALL_VAE, random_dit, random_vae

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"


@pytest.fixture(params=["on a processor", "as on a device"])
def _placed(request: pytest.FixtureRequest) -> Iterator[None]:
    """A device keeps convolutions in another layout than the file's, which no code may take for granted."""
    with as_on_a_device() if request.param == "as on a device" else nullcontext():
        yield


def _save(network, path: Path, change=None, **metadata: str) -> Path:  # type: ignore[no-untyped-def]
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if change:
        change(tensors)
    save_file(tensors, path, metadata or None)
    return path


def _run(dit) -> torch.Tensor:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(2, 8, 8, 4, generator=generator)
    with torch.no_grad():
        return dit(model_input(latent, latent.flip(0)), torch.randn(7, 24, generator=generator))


@pytest.mark.usefixtures("_placed")
def test_a_saved_network_comes_back(tmp_path: Path) -> None:
    dit = random_dit()
    loaded = load_dit(open_checkpoint(_save(dit, tmp_path / "a.safetensors")))
    # Mapped weights lie at other addresses, and sums of another order differ in the last bits.
    torch.testing.assert_close(_run(loaded), _run(dit), atol=1e-5, rtol=0)
    vae = random_vae()
    again = load_vae(open_checkpoint(_save(vae, tmp_path / "v.safetensors", norm_num_groups="4")))
    frames = torch.rand(3, 5, 16, 16) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(again.encode(frames), vae.encode(frames), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("blocks.2.mlp.all.proj_in.weight"), "blocks.2.mlp.all.proj_in.weight is missing"),
        (lambda t: t.update({"extra.weight": torch.zeros(2)}), "extra.weight is not part of the model"),
        (lambda t: t.update({"txt_in.bias": torch.zeros(3)}), r"txt_in.bias has the shape \[3\] instead of \[64\]"),
    ],
)
def test_loading_is_strict_and_names_the_tensor(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = _save(random_dit(), tmp_path / "a.safetensors", change)
    with pytest.raises(CheckpointError, match=message):
        load_dit(open_checkpoint(path))


def test_text_conditioning_in_the_file_is_not_a_parameter(tmp_path: Path) -> None:
    path = _save(
        random_dit(),
        tmp_path / "a.safetensors",
        lambda t: t.update(positive_conditioning=torch.zeros(5, 24), negative_conditioning=torch.zeros(6, 24)),
    )
    assert load_dit(open_checkpoint(path)).config.text_channels == 24


def test_weights_stay_at_their_stored_precision() -> None:
    fp8 = load_dit(open_checkpoint(GOLDEN / "quant" / "model_fp8_e4m3fn.safetensors"), dtype=torch.float32)
    weight = fp8.get_parameter("blocks.0.mlp.vid.proj_in.weight")
    assert weight.dtype == torch.float8_e4m3fn
    gguf = load_dit(open_checkpoint(GOLDEN / "quant" / "model-Q4_K.gguf"), dtype=torch.bfloat16)
    packed = gguf.get_submodule("blocks.0.attn.proj_out.vid").weight
    assert isinstance(packed, PackedTensor)
    assert packed.nbytes * 8 / packed.shape.numel() == 4.5


def test_half_precision_stays_in_the_mapped_file(tmp_path: Path) -> None:
    halves = {name: tensor.half() for name, tensor in random_dit().state_dict().items()}
    save_file(halves, tmp_path / "a.safetensors")
    dit = load_dit(open_checkpoint(tmp_path / "a.safetensors"), dtype=torch.bfloat16)
    assert dit.get_parameter("blocks.1.mlp.all.proj_in.weight").dtype == torch.float16
    assert dit.get_parameter("txt_in.bias").dtype == torch.float32


def test_swapped_blocks_give_the_same_result(tmp_path: Path) -> None:
    path = _save(random_dit(), tmp_path / "a.safetensors")
    whole, swapped = (load_dit(open_checkpoint(path), blocks_to_swap=n) for n in (0, 2))
    torch.testing.assert_close(_run(whole), _run(swapped), atol=1e-5, rtol=0)


def test_the_frequencies_of_a_rounded_file_are_computed_anew() -> None:
    path = GOLDEN / "quant" / "model_fp8_e4m3fn.safetensors"
    dit = load_dit(open_checkpoint(path))
    latent = torch.randn(1, 12, 16, 33, generator=torch.Generator().manual_seed(0))
    text = torch.randn(58, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        exact = dit(latent, text)
        dit.use_stored_frequencies()
        rounded = dit(latent, text)
    # The fixtures show the same: fp8 frequencies alone move the result by a hundredth and more.
    assert (exact - rounded).norm() / exact.norm() > 1e-3


@pytest.mark.usefixtures("_placed")
def test_a_branch_that_adds_nothing_is_left_out_and_changes_nothing(tmp_path: Path) -> None:
    def silence(tensors: dict[str, torch.Tensor]) -> None:
        for name in ("weight", "bias"):
            tensors[f"decoder.mid_block.resnets.0.conv2.{name}"].zero_()

    path = _save(random_vae(), tmp_path / "v.safetensors", silence, norm_num_groups="4")
    vae = load_vae(open_checkpoint(path))
    idle = [name for name, module in vae.named_modules() if getattr(module, "idle", False)]
    assert idle == ["decoder.mid_block.resnets.0"]
    latent = torch.randn(2, 4, 4, vae.config.latent_channels, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        short = vae.decode(latent)
        vae.get_submodule(idle[0]).idle = False  # type: ignore[assignment]
        torch.testing.assert_close(vae.decode(latent), short, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("_placed")
def test_channels_that_a_branch_adds_nothing_to_are_left_out_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One without a shortcut and one with; what stays is whole blocks of sixteen.
    idle = {"decoder.mid_block.resnets.0": slice(0, 20), "decoder.up_blocks.2.resnets.0": slice(14, 32)}

    def silence(tensors: dict[str, torch.Tensor]) -> None:
        for block, channels in idle.items():
            for part in ("weight", "bias"):
                tensors[f"{block}.conv2.{part}"][channels] = 0.0

    wide = random_vae(replace(SMALL_VAE, widths=(32, 48, 48)))
    path = _save(wide, tmp_path / "v.safetensors", silence, norm_num_groups="4")
    pruned = load_vae(open_checkpoint(path))
    monkeypatch.setattr(ResnetBlock, "skip_idle_channels", lambda _self: None)
    whole = load_vae(open_checkpoint(path))
    assert [len(pruned.get_parameter(f"{block}.conv2.weight")) for block in idle] == [32, 16]
    assert [pruned.get_submodule(block).conv_shortcut is None for block in idle] == [True, False]
    latent = torch.randn(2, 4, 4, whole.config.latent_channels, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(pruned.decode(latent), whole.decode(latent), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("_placed")
def test_channels_that_an_upsampler_never_fills_are_left_out_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence(tensors: dict[str, torch.Tensor]) -> None:
        for part in ("weight", "bias"):
            tensor = tensors[f"decoder.up_blocks.0.upsamplers.0.upscale_conv.{part}"]
            channels = tensors["decoder.up_blocks.0.upsamplers.0.conv.weight"].shape[1]
            tensor.view(-1, channels, *tensor.shape[1:])[:, 3::2] = 0.0

    path = _save(random_vae(), tmp_path / "v.safetensors", silence, norm_num_groups="4")
    pruned = load_vae(open_checkpoint(path))
    monkeypatch.setattr(Upsample, "skip_idle_channels", lambda _self: None)
    whole = load_vae(open_checkpoint(path))
    conv = "decoder.up_blocks.0.upsamplers.0.conv.weight"
    assert pruned.get_parameter(conv).shape[1] < whole.get_parameter(conv).shape[1]
    latent = torch.randn(2, 4, 4, whole.config.latent_channels, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(pruned.decode(latent), whole.decode(latent), atol=1e-5, rtol=0)
