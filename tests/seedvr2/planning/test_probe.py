"""Which type a device computes in."""

from __future__ import annotations

import logging

import pytest
import torch

from seedvr2.planning.probe import OPERATIONS, Try, conv3d_warning, probe_device

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((6, 1), torch.float16), ((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((12, 0), torch.bfloat16)],
)
def test_half_precision_by_compute_capability(capability: tuple[int, int], dtype: torch.dtype) -> None:
    found = probe_device(CPU, capability)
    assert (found.dtype, found.failures) == (dtype, ())


def breaking(*dtypes: torch.dtype, finite: bool = False) -> list[tuple[str, Try]]:
    def run(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        if dtype in dtypes and not finite:
            raise RuntimeError("no kernel image is available\nfor execution")
        return torch.full((1,), float("nan") if dtype in dtypes else 1.0, dtype=dtype)

    return [*OPERATIONS, ("convolution", run)]


def test_a_type_that_the_device_cannot_do_is_passed_over_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = probe_device(CPU, (9, 0), breaking(torch.bfloat16))
    assert found.dtype == torch.float16
    assert found.failures == ("bfloat16 convolution: no kernel image is available",)
    assert "in float16" in caplog.text and "no kernel image" in caplog.text
    assert probe_device(CPU, (9, 0), breaking(torch.bfloat16, torch.float16)).dtype == torch.float32


def test_a_result_that_is_not_finite_is_a_failure() -> None:
    found = probe_device(CPU, (8, 9), breaking(torch.bfloat16, finite=True))
    assert found.dtype == torch.float16 and "not finite" in found.failures[0]


@pytest.mark.parametrize(
    ("version", "cudnn", "warned"),
    [
        ("2.9.1+cu130", 91300, True),
        ("2.9.0", 90800, True),
        ("2.9.1", 91500, False),
        ("2.9.1", 90701, False),
        ("2.9.1", None, False),
        ("2.10.0", 91300, False),
        ("2.13.0+cu130", 92000, False),
    ],
)
def test_versions_that_break_3d_convolutions_are_named(version: str, cudnn: int | None, warned: bool) -> None:
    sentence = conv3d_warning(version, cudnn)
    assert bool(sentence) == warned and (version in sentence or not warned)
