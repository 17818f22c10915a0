"""What is kept comes back as it was, from a device that does things as early or as late as it may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seedvr2.network.causal import CausalMemory
from seedvr2.network.frame_store import DeviceStore, FrameStore, HostStore, PlainHostStore, host_store
from seedvr2.network.parts import Part
from seedvr2.network.vae import VideoVAE
from seedvr2.places import as_on_a_device
from tests.seedvr2.network.networks import random_vae
from tests.seedvr2.network.transfers import FakeDevice

STORES: dict[str, Callable[[], FrameStore]] = {
    "device": DeviceStore,
    "main memory": PlainHostStore,
    "main memory, early": lambda: HostStore(FakeDevice()),
    "main memory, late": lambda: HostStore(FakeDevice(late=True)),
}


class Noting(FakeDevice):
    """Also notes what buffers are asked for in main memory, and every wait for a mark."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.host_sizes: list[int] = []
        self.waited: list[int] = []

    def host_buffer(self, size: int) -> Tensor:
        self.host_sizes.append(size)
        return super().host_buffer(size)

    def wait(self, mark: object) -> None:
        self.waited.append(mark.copied)  # type: ignore[attr-defined]
        super().wait(mark)  # type: ignore[arg-type]


def _frames(seed: int, count: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    """The last frames of a longer clip, channels last in memory."""
    clip = torch.randn(6, 4, 3, 5, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return clip.contiguous(memory_format=torch.channels_last)[-count:]


def _layers(count: int) -> list[nn.Module]:
    return [nn.Identity() for _ in range(count)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", STORES)
def test_what_is_taken_is_what_was_kept(name: str, dtype: torch.dtype) -> None:
    store, layers = STORES[name](), _layers(3)
    for turn in range(3):
        for index, layer in enumerate(layers):
            if turn:
                got = store.take(layer)
                assert got.dtype == dtype and got.is_contiguous(memory_format=torch.channels_last)
                assert torch.equal(got, _frames(10 * (turn - 1) + index, 1 + index, dtype))
            store.keep(layer, _frames(10 * turn + index, 1 + index, dtype))


@pytest.mark.parametrize("name", ["device", "main memory, early", "main memory, late"])
def test_what_is_kept_is_a_copy_of_those_frames_alone(name: str) -> None:
    store, layer = STORES[name](), nn.Identity()
    frames = _frames(1)
    wanted = frames.clone()
    store.keep(layer, frames)
    if name != "main memory, late":
        # The window is used again. A late device has its own copy of the frames in the order of their channels.
        frames.zero_()
    got = store.take(layer)
    assert torch.equal(got, wanted) and got.untyped_storage().nbytes() == wanted.nbytes


@pytest.mark.parametrize("name", STORES)
def test_what_was_taken_is_forgotten(name: str) -> None:
    store, layer = STORES[name](), nn.Identity()
    store.keep(layer, _frames(1))
    store.take(layer)
    with pytest.raises(KeyError):
        store.take(layer)


def test_the_next_layers_frames_are_on_their_way_while_the_present_ones_are_used() -> None:
    device, layers = Noting(late=True), _layers(4)
    store = HostStore(device)
    for index, layer in enumerate(layers):
        store.keep(layer, _frames(index))
    assert len(device.events) == 4 and device.waited == []
    asked = []
    for index, layer in enumerate(layers):
        before = len(device.events)
        frames = store.take(layer)
        asked.append(len(device.events) - before)
        assert torch.equal(frames, _frames(index))
        store.keep(layer, _frames(index + 20))
    # The first one and the next, then one more each time; each is waited for, and none behind it.
    assert asked == [2, 1, 1, 0]
    assert device.waited == [5, 6, 8, 10]


def test_no_more_than_two_layers_frames_are_on_the_device() -> None:
    device, layers = Noting(), _layers(6)
    store = HostStore(device)
    for index, layer in enumerate(layers):
        store.keep(layer, _frames(index))
    for layer in layers:
        store.take(layer)
    assert device.most == 2 * _frames(0).nbytes and device.alive() == 0


def test_main_memory_is_used_again_unless_more_is_needed() -> None:
    device, layers = Noting(), _layers(2)
    store, one = HostStore(device), _frames(0, 1).nbytes
    for count in (2, 1, 2):
        for layer in layers:
            store.keep(layer, _frames(count, count))
        for layer in layers:
            assert torch.equal(store.take(layer), _frames(count, count))
    assert device.host_sizes == [2 * one] * 2
    store.keep(layers[0], _frames(3, 3))
    assert device.host_sizes == [2 * one] * 2 + [3 * one]
    assert torch.equal(store.take(layers[0]), _frames(3, 3))


def test_a_device_with_a_line_of_copies_uses_it() -> None:
    assert isinstance(host_store(None), PlainHostStore)
    assert isinstance(host_store(FakeDevice()), HostStore)


def _clip() -> Tensor:
    return torch.rand(3, 13, 16, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1


def _through(vae: VideoVAE) -> tuple[Tensor, Tensor]:
    latent = vae.encode(_clip())
    return latent, vae.decode(latent)


@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("late", [False, True])
@torch.no_grad()
def test_a_clip_on_a_device_gives_what_it_gives_on_a_processor(late: bool, roomy: bool) -> None:
    wanted = _through(random_vae())
    vae, devices = random_vae(), [FakeDevice(late), FakeDevice(late)]
    given = iter(devices)
    vae.roomy, vae.away = roomy, lambda: HostStore(next(given))
    with as_on_a_device():
        got = _through(vae)
    for answer, right in zip(got, wanted, strict=True):
        torch.testing.assert_close(answer, right, atol=1e-5, rtol=0)
    # What is roomy asks for no main memory; else there and back for every layer and slice, and all of it came back.
    copies = [len(device.events) for device in devices]
    assert copies == [0, 0] if roomy else min(copies) > 20
    assert all(device.alive() == 0 for device in devices)


@torch.no_grad()
def test_a_device_without_a_line_of_copies_gives_the_same() -> None:
    wanted, vae = _through(random_vae()), random_vae()
    with as_on_a_device():
        store = vae._store(torch.device("cpu"))
        got = _through(vae)
    assert isinstance(store, PlainHostStore)
    for answer, right in zip(got, wanted, strict=True):
        torch.testing.assert_close(answer, right, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("roomy", "most"), [(False, 1), (True, 4)])
@torch.no_grad()
def test_a_device_with_little_room_takes_frames_of_full_size_one_by_one(roomy: bool, most: int) -> None:
    vae, sizes = random_vae(), []
    vae.roomy = roomy

    def note(_module: nn.Module, given: tuple[Part, CausalMemory, object]) -> None:
        sizes.append(len(given[0].frames))

    for conv in (vae.encoder.conv_in, vae.decoder.conv_out):
        conv.register_forward_pre_hook(note)
    with as_on_a_device():
        _through(vae)
    assert max(sizes) == most and sum(sizes) == 2 * 13
