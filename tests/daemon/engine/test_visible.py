"""Which GPU is meant, on machines that NVML describes: one UUID, whoever names it and however."""

from __future__ import annotations

from collections.abc import Callable

import pynvml
import pytest

from daemon.engine.gpu import GpuMonitor
from daemon.engine.messages import DeviceReport
from daemon.engine.visible import choose
from daemon.errors import EngineAwayError
from daemon.settings.keys import ModelSettings

A, B, C = "GPU-aaaa1111-0000", "GPU-bbbb2222-0000", "GPU-bbbb3333-0000"
MIG_ONE, MIG_TWO = "MIG-11111111-0000", "MIG-22222222-0000"
Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Lets NVML report GPUs, as pairs of name and UUID; `mig` are those that are divided, with their instances."""

    def be(*gpus: tuple[str, str], mig: dict[str, tuple[str, ...]] | None = None) -> None:
        divided = mig or {}

        def instance(handle: str, index: int) -> str:
            # There are holes in the numbers.
            if index % 2 or index // 2 >= len(divided[handle]):
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
            return divided[handle][index // 2]

        class Memory:
            used, total = 1 << 30, 8 << 30

        def by_uuid(uuid: str) -> str:
            if uuid not in [known for _, known in gpus]:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
            return uuid

        names = {uuid: name for name, uuid in gpus}
        order = [uuid for _, uuid in gpus]
        for name, value in {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetCount": lambda: len(gpus),
            "nvmlDeviceGetHandleByIndex": lambda index: order[index],
            "nvmlDeviceGetHandleByUUID": by_uuid,
            "nvmlDeviceGetUUID": lambda handle: handle.encode(),
            "nvmlDeviceGetName": lambda handle: names[handle],
            "nvmlDeviceGetIndex": order.index,
            "nvmlDeviceGetMigMode": lambda handle: (int(handle in divided), 0),
            "nvmlDeviceGetMaxMigDeviceCount": lambda _handle: 7,
            "nvmlDeviceGetMigDeviceHandleByIndex": instance,
            "nvmlDeviceGetMemoryInfo": lambda _handle: Memory,
            "nvmlDeviceGetUtilizationRates": lambda _handle: by_uuid("none"),
            "nvmlDeviceGetTemperature": lambda _handle, _kind: 50,
            "nvmlDeviceGetPowerUsage": lambda _handle: 1000,
        }.items():
            monkeypatch.setattr(pynvml, name, value)

    return be


def chosen(gpu: str = "0", device: str = "auto", **environment: str) -> tuple[str | None, str]:
    choice = choose(ModelSettings(gpu=gpu, device=device), environment)
    return choice.visible, choice.device


def test_numbers_uuids_and_devices(machine: Machine) -> None:
    machine(("RTX", A), ("RTX", B), ("RTX", C))
    assert chosen() == (A, "auto")
    assert chosen("1") == (B, "auto")
    assert chosen("all") == chosen("") == (A, "auto")
    # In a container, whose runtime has hidden the others.
    assert chosen("7") == (A, "auto")
    assert chosen("2,0") == (C, "auto")
    assert chosen(B) == chosen("GPU-BBBB2") == (B, "auto")
    # The engine sees one card, which is its cuda:0.
    assert chosen(device="cuda:1") == chosen("all", "cuda:1") == (B, "cuda")
    assert chosen("2,0", "cuda:1") == (A, "cuda")
    assert chosen("1", "cuda:0") == chosen("1", "cuda:1") == chosen("1", "cuda") == (B, "cuda")
    assert chosen("none") == chosen("void") == ("", "auto")
    assert chosen(device="cpu") == ("", "cpu")


@pytest.mark.parametrize(
    ("gpu", "device", "said"),
    [
        ("0", "cuda:3", "model.device is cuda:3, but there are 3 GPUs; leave it at auto"),
        ("1", "cuda:2", "model.gpu names one GPU and model.device = cuda:2 another"),
        ("GPU-bbbb", "auto", "the GPU GPU-bbbb was asked for, but several GPUs begin so"),
        ("GPU-cccc", "auto", "the GPU GPU-cccc was asked for, but there is no such GPU"),
    ],
)
def test_what_is_not_there_is_said(machine: Machine, gpu: str, device: str, said: str) -> None:
    machine(("RTX", A), ("RTX", B), ("RTX", C))
    with pytest.raises(EngineAwayError, match=said):
        chosen(gpu, device)


def test_an_exported_variable_hides_cards(machine: Machine) -> None:
    machine(("RTX", A), ("RTX", B), ("RTX", C))
    assert chosen(CUDA_VISIBLE_DEVICES="2,1") == (C, "auto")
    assert chosen("1", CUDA_VISIBLE_DEVICES="2,1") == (B, "auto")
    assert chosen(device="cuda:1", CUDA_VISIBLE_DEVICES="2,1") == (B, "cuda")
    assert chosen(CUDA_VISIBLE_DEVICES="GPU-bbbb2") == (B, "auto")
    assert chosen(CUDA_VISIBLE_DEVICES="") == chosen(CUDA_VISIBLE_DEVICES="-1") == ("", "auto")
    # CUDA stops at the first that is none.
    assert chosen("1", CUDA_VISIBLE_DEVICES="2,9,1") == (C, "auto")
    with pytest.raises(EngineAwayError, match="CUDA_VISIBLE_DEVICES is '9'"):
        chosen(CUDA_VISIBLE_DEVICES="9")


def test_a_number_that_only_cuda_understands_stays_one(machine: Machine) -> None:
    """CUDA puts the fastest first, which NVML does not know; only with PCI_BUS_ID do both count alike."""
    machine(("GT 1030", A), ("RTX", B))
    assert chosen(CUDA_VISIBLE_DEVICES="1") == ("1", "auto")
    assert chosen(CUDA_VISIBLE_DEVICES="1", CUDA_DEVICE_ORDER="PCI_BUS_ID") == (B, "auto")
    assert chosen("1") == (B, "auto")


def test_divided_cards(machine: Machine) -> None:
    machine(("A100", A), ("A100", B), mig={A: (MIG_ONE, MIG_TWO), B: ()})
    assert chosen() == (MIG_ONE, "auto")
    assert chosen(MIG_TWO) == chosen(CUDA_VISIBLE_DEVICES=MIG_TWO) == (MIG_TWO, "auto")
    with pytest.raises(EngineAwayError, match="MIG is on for A100, but it has no instance"):
        chosen("1")


def test_without_a_driver_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert chosen() == chosen(CUDA_VISIBLE_DEVICES="1") == (None, "auto")
    assert chosen(A) == (A, "auto")
    assert choose(ModelSettings(), {}).environment() == {}


def test_the_status_is_about_the_card_that_the_engine_uses(machine: Machine) -> None:
    machine(("GT 1030", A), ("RTX", B))
    monitor = GpuMonitor("0")
    before = monitor.facts()
    monitor.observed(DeviceReport("cuda", uuid=B, name="RTX"))
    after = monitor.facts()
    assert before is not None and after is not None
    assert (before.name, after.name, after.index) == ("GT 1030", "RTX", 1)
    monitor.observed(DeviceReport("cpu", "the NVIDIA driver is too old"))
    assert monitor.facts() is None
