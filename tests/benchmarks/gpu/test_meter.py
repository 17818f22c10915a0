"""Memory on the processor, counted as a GPU's allocator would, and limits to it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu.meter import LiveBytes, limited, live_bytes, peak_of, usable_bytes
from benchmarks.gpu.rows import GIB
from seedvr2.planning.memory import available_bytes
from seedvr2.trouble import is_out_of_memory

CPU = torch.device("cpu")
MIB = 1 << 20


def mebibyte() -> torch.Tensor:
    return torch.zeros(MIB, dtype=torch.uint8)


def test_the_peak_is_what_is_alive_at_once() -> None:
    given = mebibyte()
    with peak_of(CPU) as peak:
        a = given + 1
        b = a + 1
        del a
        c = b + 1
        del b, c
    assert (peak.allocated, peak.reserved) == (2 * MIB, 2 * MIB)


def test_views_and_operations_in_place_take_nothing() -> None:
    given = mebibyte()
    with LiveBytes() as counter:
        view = given.view(2, -1)[1].unsqueeze(0)
        view.add_(1)
    assert counter.peak == 0


def test_tensors_without_memory_take_nothing() -> None:
    with LiveBytes() as counter:
        kept = torch.empty(MIB, device="meta")
        del kept
    assert counter.peak == 0


def test_beyond_the_limit_memory_runs_out_as_on_a_gpu() -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught, limited(CPU, 3 * MIB - 1):
        kept = [mebibyte() for _ in range(3)]
        del kept
    assert is_out_of_memory(caught.value)


def test_within_the_limit_the_engine_is_told_of_what_is_left() -> None:
    with limited(CPU, 3 * MIB):
        kept = mebibyte()
        assert available_bytes(CPU) == 2 * MIB
        del kept
        assert available_bytes(CPU) == 3 * MIB
    assert available_bytes(CPU) > 100 * MIB


def test_on_a_gpu_the_allocator_is_limited_and_the_driver_tells_of_a_smaller_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, fractions = torch.device("cuda", 0), []
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _device: SimpleNamespace(total_memory=80 * GIB))
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", lambda share, _device: fractions.append(share))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _device: 3 * GIB)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _device: (70 * GIB, 80 * GIB))
    limit = usable_bytes(device, 8)
    with limited(device, limit):
        assert available_bytes(device) == limit - 3 * GIB
        assert torch.cuda.mem_get_info(device)[1] == 8 * GIB
    assert available_bytes(device) == 70 * GIB
    assert fractions == [limit / (80 * GIB), 1.0]


def test_live_bytes_sees_what_is_held_and_let_go_of() -> None:
    before = live_bytes(CPU)
    kept = torch.nn.Parameter(torch.zeros(MIB), requires_grad=False)
    assert live_bytes(CPU) - before == 4 * MIB
    del kept
    assert live_bytes(CPU) == before
