"""Segments that grow are asked for where they work, and where the user said nothing else."""

from __future__ import annotations

import pytest
import torch

from seedvr2 import allocator, model
from seedvr2.allocator import VARIABLES, grow_segments

CPU = torch.device("cpu")
ON, OFF = "expandable_segments:True", "expandable_segments:False"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What torch was told."""
    said: list[str] = []
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch._C, allocator._SETTERS[0], said.append)
    return said


def test_segments_grow(asked: list[str]) -> None:
    assert grow_segments(CPU)
    assert asked == [ON]


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_the_user_configured_stays(asked: list[str], monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "max_split_size_mb:512")
    assert not grow_segments(CPU)
    assert asked == []


def test_a_driver_that_cannot_do_it_gets_what_it_had(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA driver error: operation not supported")

    monkeypatch.setattr(torch, "empty", refused)
    assert not grow_segments(CPU)
    assert asked == [ON, OFF]


def test_a_full_card_says_nothing_about_it(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    assert grow_segments(CPU)
    assert asked == [ON]


def test_a_torch_that_has_another_name_for_it_is_asked_by_that(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch._C, allocator._SETTERS[0])
    monkeypatch.setattr(torch._C, allocator._SETTERS[1], asked.append, raising=False)
    assert grow_segments(CPU)
    assert asked == [ON]
    monkeypatch.delattr(torch._C, allocator._SETTERS[1])
    assert not grow_segments(CPU)


def test_torch_still_has_what_is_asked() -> None:
    assert any(hasattr(torch._C, name) for name in allocator._SETTERS)


def test_a_device_that_is_chosen_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[torch.device] = []
    monkeypatch.setattr(model, "grow_segments", prepared.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert model.choose_device("auto") == torch.device("cuda")
    assert prepared == [torch.device("cuda")]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert model.choose_device("auto") == CPU
    assert model.choose_device("cpu") == CPU
    assert len(prepared) == 1
