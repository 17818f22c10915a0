"""What is said of the device: why there is no GPU, and what others hold of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from daemon.engine import device_report

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def fail(text: str) -> None:
    raise RuntimeError(text)


@pytest.mark.parametrize(
    ("cuda", "visible", "error", "said"),
    [
        (None, None, "", "this PyTorch is built for the processor alone"),
        ("13.0", "", "", "the settings hide it"),
        ("13.0", None, "Found no NVIDIA driver on your system. Please check", "there is no NVIDIA driver"),
        (
            "13.0",
            None,
            "The NVIDIA driver on your system is too old (found version 11040). Please update",
            "too old for this PyTorch, which needs CUDA 13.0; update the driver",
        ),
        ("13.0", "GPU-1", "No CUDA GPUs are available", "the driver shows no GPU to this process"),
        (
            "13.0",
            None,
            "CUDA unknown error - this may be due to\nan incorrectly set up",
            "CUDA unknown error - this may",
        ),
        ("13.0", None, "", "model.device says so"),
    ],
)
def test_why_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, visible: str | None, error: str, said: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "init", lambda: fail(error) if error else None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    report = device_report.look(CPU)
    assert report.device == "cpu" and said in report.why and not report.why.endswith(".")


def test_what_others_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 1 << 30
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 8 * gib)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (2 * gib, 24 * gib))
    assert device_report.held_by_others(CUDA) == 13 * 1024
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (14 * gib, 24 * gib))
    assert device_report.held_by_others(CUDA) == 0
    assert device_report.held_by_others(CPU) == 0


def test_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = SimpleNamespace(name="RTX", uuid="1-2", total_memory=24 << 30, major=8, minor=9)
    monkeypatch.setattr(device_report, "_prove", lambda _device: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: facts)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (20 << 30, 24 << 30))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    report = device_report.look(CUDA)
    assert (report.device, report.name, report.uuid, report.why) == ("cuda", "RTX", "GPU-1-2", "")
    assert (report.memory_mb, report.free_mb, report.capability) == (24576, 20480, "8.9")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-7")
    assert device_report.look(CUDA).uuid == "MIG-7"


def test_a_card_that_does_not_compute_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "ones", lambda *_shape, **_more: fail("CUDA error: unknown error"))
    with pytest.raises(RuntimeError, match="unknown error"):
        device_report.look(CUDA)
