from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from seedvr2.kernels import switch


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Something that counts as being on a card."""
    monkeypatch.setattr(switch, "_off", set())
    monkeypatch.setattr(switch, "_on_card", lambda x: True)
    return torch.ones(2)


def test_the_result_is_what_was_launched(x: Tensor) -> None:
    assert switch.attempt("kernel", x, lambda: x) is x


def test_a_kernel_that_fails_is_not_tried_again_and_the_log_says_so_once(
    x: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    launches = []

    def launch() -> Tensor:
        launches.append(1)
        raise RuntimeError("Failed to find C compiler")

    with caplog.at_level(logging.WARNING):
        assert switch.attempt("kernel", x, launch) is None
        assert switch.attempt("kernel", x, launch) is None
    assert len(launches) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "kernel" in caplog.text and "C compiler" in caplog.text
    assert switch.attempt("another", x, lambda: x) is x


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("Triton Error [CUDA]: out of memory")]
)
def test_memory_that_runs_out_is_told_and_is_not_the_kernels_fault(x: Tensor, error: RuntimeError) -> None:
    def launch() -> Tensor:
        raise error

    with pytest.raises(RuntimeError, match="out of memory"):
        switch.attempt("kernel", x, launch)
    assert switch.attempt("kernel", x, lambda: x) is x


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_nothing_is_launched_without_a_card(device: str) -> None:
    assert switch.attempt("kernel", torch.ones(2, device=device), lambda: pytest.fail("launched")) is None
