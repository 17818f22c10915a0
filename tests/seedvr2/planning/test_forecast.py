"""What a job would take when it is its turn, though another one is at work now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
import torch

from seedvr2.errors import MemoryTakenError, NeverFitsError
from seedvr2.media import MediaInfo
from seedvr2.options import UpscaleOptions
from seedvr2.planning import host_memory
from seedvr2.planning.card import Card, SimulatedLayer
from seedvr2.planning.forecast import make_forecast
from seedvr2.planning.machine import MachinePlanner
from seedvr2.selection import NANO

GIB = 1 << 30
FILM = MediaInfo("video", 1920, 1080, 172_800, Fraction(24), 7200.0, False, 8, "h264", "mp4")


@dataclass(slots=True)
class BusyLayer(SimulatedLayer):
    """A running job has taken all but 100 MiB of the card."""

    def card(self, weights: int = 0) -> Card:
        idle = SimulatedLayer.card(self, weights)
        free = 100 << 20
        return replace(idle, free=free, reserved=weights + idle.free - free, allocated=weights + idle.free - free)


def test_the_memory_of_the_running_job_counts_as_free_on_a_card() -> None:
    busy = MachinePlanner(torch.device("cpu"), torch.float32, layer=BusyLayer(8))
    idle = MachinePlanner(torch.device("cpu"), torch.float32, layer=SimulatedLayer(8))
    for planner in (busy, idle):
        planner.weights = 12 << 20
    assert busy.free() == 112 << 20
    assert busy.free(alone=True) == idle.free() == idle.free(alone=True)
    with pytest.raises(MemoryTakenError, match="try again when they have ended"):
        make_forecast(FILM, UpscaleOptions(), NANO, busy, timed=False)
    plans = [make_forecast(FILM, UpscaleOptions(), NANO, planner, alone=True, timed=False) for planner in (busy, idle)]
    assert plans[0] == plans[1]
    assert plans[0].fits and plans[0].seconds is None and plans[0].batches == 172_800 // 3


def test_and_in_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = MachinePlanner(torch.device("cpu"), torch.float32)
    monkeypatch.setattr(host_memory, "capacity", lambda: 8 * GIB)
    for name in ("available", "obtainable"):
        monkeypatch.setattr(host_memory, name, lambda: 200 << 20)
    # What tests before this one left in the memory of the process is none of the plan's.
    monkeypatch.setattr(host_memory, "held", lambda: 0)
    with pytest.raises(MemoryTakenError, match="try again when less is running"):
        make_forecast(FILM, UpscaleOptions(), NANO, planner, alone=True, timed=False)
    monkeypatch.setattr(host_memory, "held", lambda: 6 * GIB)
    found = make_forecast(FILM, UpscaleOptions(), NANO, planner, alone=True, timed=False)
    assert found.free_bytes == 6 * GIB + (200 << 20)
    with pytest.raises(NeverFitsError, match="use resolution = "):
        wide = UpscaleOptions(resolution=9216, max_resolution=16384)
        make_forecast(FILM, wide, NANO, planner, alone=True, timed=False)
