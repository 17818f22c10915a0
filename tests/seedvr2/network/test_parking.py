"""Networks that take turns on the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seedvr2.checkpoint import open_checkpoint
from seedvr2.model import Model
from seedvr2.network.build import load_dit, load_vae
from seedvr2.network.host_weights import HostWeights
from seedvr2.network.parking import Parked
from seedvr2.network.tiling import Tiling
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stream import restore_stream
from tests.seedvr2.network.networks import SMALL_DIT, random_dit, random_vae
from tests.seedvr2.network.transfers import FakeDevice

CPU = torch.device("cpu")


def _frames(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return [generator.integers(0, 255, (14, 20, 3), dtype=np.uint8) for _ in range(count)]


def _file(network: nn.Module, path: Path, **metadata: str) -> Path:
    save_file({name: tensor.clone() for name, tensor in network.state_dict().items()}, path, metadata or None)
    return path


def _model(folder: Path, device: FakeDevice | None, blocks_to_swap: int = 0) -> Model:
    dit = open_checkpoint(_file(random_dit(), folder / "dit.safetensors"))
    vae = open_checkpoint(_file(random_vae(), folder / "vae.safetensors", norm_num_groups="4"))
    text = torch.randn(5, SMALL_DIT.text_channels, generator=torch.Generator().manual_seed(9))
    parked = device is not None
    return Model(
        "small",
        load_dit(dit, blocks_to_swap=blocks_to_swap, parked=parked, transfer=device),
        load_vae(vae, parked=parked, transfer=device),
        text,
        CPU,
        torch.float32,
    )


def _restored(model: Model, settings: RestoreSettings) -> torch.Tensor:
    restorer = BatchRestorer(model, settings)
    stream = StreamSettings(plan_sizes(20, 14, 30), overlap=1, color_correction="wavelet")
    return torch.stack([image for _, image in restore_stream(_frames(9), lambda frame: frame, restorer, stream)])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("blocks_to_swap", [0, 1, 3])
@pytest.mark.parametrize("tiling", [None, Tiling((16, 16), (4, 4))])
def test_only_one_network_is_on_the_device_at_a_time(
    tmp_path: Path, late: bool, blocks_to_swap: int, tiling: Tiling | None
) -> None:
    device = FakeDevice(late)
    model = _model(tmp_path, device, blocks_to_swap)
    wanted = _restored(_model(tmp_path, None), RestoreSettings(tiling=tiling))
    got = _restored(model, RestoreSettings(tiling=tiling, in_turn=True))
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=0)
    swap = model.dit.swap.resident_bytes if model.dit.swap else 0
    largest = max(_bytes(model.vae), _bytes(model.dit) + swap)
    # Both together would be more than that.
    assert 0.9 * largest < device.most <= largest
    model.vae.offload()
    model.dit.offload()
    assert device.alive() == 0


def _bytes(network: Parked) -> int:
    return sum(home.nbytes for home in network._homes)


@torch.no_grad()
def test_a_network_that_was_loaded_onto_the_device_can_leave_it_and_come_back() -> None:
    vae, device = random_vae(), FakeDevice(late=True)
    vae.transfer = device
    clip = torch.rand(3, 5, 16, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1
    wanted = vae.encode(clip)
    here = _pointers(vae)
    for _ in range(2):
        vae.offload()
        assert device.alive() == 0 and not here & _pointers(vae)
        vae.onload()
        assert device.alive() == _bytes(vae)
        torch.testing.assert_close(vae.encode(clip), wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_network_that_finds_no_room_leaves_nothing_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    vae, device = random_vae(), FakeDevice()
    vae.transfer = device
    latent = torch.rand(2, 4, 6, 4, generator=torch.Generator().manual_seed(3))
    wanted = vae.decode(latent)
    vae.offload()
    room = vae._homes[0].nbytes

    def buffer(size: int) -> torch.Tensor:
        if device.alive() + size > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return FakeDevice.device_buffer(device, size)

    monkeypatch.setattr(device, "device_buffer", buffer)
    with pytest.raises(torch.OutOfMemoryError):
        vae.onload()
    assert device.alive() == room
    vae.offload()
    assert device.alive() == 0
    monkeypatch.undo()
    vae.onload()
    torch.testing.assert_close(vae.decode(latent), wanted, atol=1e-5, rtol=0)


def _pointers(network: nn.Module) -> set[int]:
    return {weight.data_ptr() for weight in network.parameters() if weight.ndim > 1}


def _gapped(weight: torch.Tensor) -> torch.Tensor:
    return torch.cat((weight, weight), dim=1)[:, : weight.shape[1]]


def _last(weight: torch.Tensor) -> torch.Tensor:
    return weight.contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(("layout", "kept"), [(_last, True), (_gapped, False)])
def test_weights_keep_their_layout_unless_it_has_gaps(
    layout: Callable[[torch.Tensor], torch.Tensor], kept: bool
) -> None:
    conv = nn.Conv3d(8, 8, 3).half().requires_grad_(False)
    conv.weight = nn.Parameter(layout(conv.weight), requires_grad=False)
    before = conv.weight
    weights = HostWeights(conv, FakeDevice())
    assert torch.equal(conv.weight, before) and conv.weight.dtype == torch.float16
    assert (conv.weight.stride() == before.stride()) == kept
    assert 0 <= weights.nbytes - before.nbytes < 256
    weights.lend(torch.zeros(weights.nbytes, dtype=torch.uint8))
    assert not conv.weight.any()
    weights.recall()
    assert torch.equal(conv.weight, before)


def test_in_main_memory_networks_stay_where_they_are(tmp_path: Path) -> None:
    model = _model(tmp_path, None)
    before = _pointers(model.dit) | _pointers(model.vae)
    _restored(model, RestoreSettings(in_turn=True))
    model.dit.offload()
    assert before == _pointers(model.dit) | _pointers(model.vae)
