"""What is compiled gives the same, or is left: with the real compiler where there is one, and without one."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from seedvr2.network import fused
from seedvr2.network.compiled import Compilable, compiling
from tests.seedvr2.network.networks import random_dit

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler"
)


def _double_into(out: Tensor, x: Tensor) -> None:
    out.copy_(2 * x)


@pytest.fixture
def double() -> Compilable:
    return Compilable("doubling", _double_into, _double_into)


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    torch.compiler.reset()  # torch counts the versions of a formula over all that compile it
    with torch.no_grad():
        yield


def _compiler(make: Callable[..., None]) -> Callable[..., Callable[..., None]]:
    """Stands in for torch.compile."""
    return lambda formula, **_: make


def _doubled(double: Compilable, rows: int = 3) -> bool:
    x, out = torch.arange(rows * 4.0).view(rows, 4), torch.empty(rows, 4)
    double(out, x)
    return torch.equal(out, 2 * x)


def test_nothing_is_compiled_unless_it_is_asked_for(double: Compilable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    assert _doubled(double)
    with compiling(), compiling(False):
        assert _doubled(double)
    assert double.works and double.versions == 0


@pytest.mark.parametrize("when", ["compile", "run"])
def test_what_cannot_be_compiled_runs_as_without_and_the_log_says_so_once(
    double: Compilable, when: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no way\nwith many lines")

    monkeypatch.setattr(torch, "compile", broken if when == "compile" else _compiler(broken))
    with compiling(), caplog.at_level(logging.WARNING):
        assert _doubled(double) and _doubled(double)
    assert not double.works
    assert [record.getMessage() for record in caplog.records] == [
        "Compiling doubling does not work here, so it runs as without: ValueError: no way."
    ]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1.01])
def test_a_result_that_is_another_one_is_not_taken(
    double: Compilable, wrong: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def spoilt(out: Tensor, x: Tensor) -> None:
        out.copy_(2 * x)
        out[1, 2] *= wrong

    monkeypatch.setattr(torch, "compile", _compiler(spoilt))
    with compiling(), caplog.at_level(logging.WARNING):
        assert _doubled(double)
    assert not double.works
    assert "another" in caplog.text


def test_infinities_that_the_plain_way_has_too_are_no_fault(
    double: Compilable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", _compiler(_double_into))
    x = torch.tensor([[1.0, float("inf"), float("nan"), -2.0]])
    with compiling():
        double(torch.empty_like(x), x)
    assert double.works


def test_memory_that_runs_out_is_told_and_is_not_the_compilers_fault(
    double: Compilable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch, "compile", _compiler(hungry))
    with compiling(), pytest.raises(RuntimeError, match="out of memory"):
        _doubled(double)
    assert double.works


@needs_compiler
def test_any_number_of_rows_is_one_version_and_too_many_kinds_end_it(
    double: Compilable, caplog: pytest.LogCaptureFixture
) -> None:
    with compiling(), caplog.at_level(logging.WARNING, logger="seedvr2"):
        for rows in range(2, 30, 3):
            assert _doubled(double, rows)
        assert double.works and double.versions == 1
        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            for shape in ((2, 4), (2, 2, 4), (2, 2, 2, 4)):
                x, out = torch.ones(shape, dtype=dtype), torch.empty(shape, dtype=dtype)
                double(out, x)
                assert torch.equal(out, 2 * x)
    assert not double.works and double.versions == 6
    assert caplog.text.count("more than 6 versions") == 1


STEPS = [fused._NORM, fused._SWIGLU]


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("step", STEPS, ids=["norm", "swiglu"])
def test_each_step_of_a_block_gives_the_same_within_rounding(step: Compilable, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    compiled = Compilable("a step", step._formula, step._plain)

    def numbers(*shape: int, of: torch.dtype = dtype) -> Tensor:
        return torch.randn(shape, generator=generator).to(of)

    with compiling():
        for rows in (7, 40):
            if step is fused._NORM:
                given = (numbers(rows, 48), numbers(48, of=torch.float32), numbers(48, of=torch.float32))
                out = torch.empty(rows, 48, dtype=dtype)
            else:
                given, out = (numbers(rows, 48),), numbers(rows, 48)
            wanted = out.clone()
            step._plain(wanted, *(x.clone() for x in given))
            compiled(out, *given)
            bound = 4 * torch.finfo(dtype).eps
            torch.testing.assert_close(out, wanted, rtol=bound, atol=bound)
    assert compiled.works and compiled.versions == 1


@needs_compiler
def test_a_transformer_gives_the_same_with_all_that_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {name: getattr(fused, name) for name in ("_NORM", "_SWIGLU")}
    for name, step in steps.items():
        monkeypatch.setattr(fused, name, Compilable(name, step._formula, step._plain))
    dit = random_dit()
    generator = torch.Generator().manual_seed(1)
    given = torch.randn(2, 18, 26, 9, generator=generator), torch.randn(5, 24, generator=generator)
    plain = dit(*given)
    with compiling():
        compiled = dit(*given)
    torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)
    for name in steps:
        step = getattr(fused, name)
        assert step.works and step.versions


def test_without_a_compiler_it_runs_as_without() -> None:
    code = """
import logging, torch
from seedvr2.network.compiled import compiling
from seedvr2.network import fused
logging.basicConfig(format="%(name)s %(message)s", level=logging.WARNING)
x, ones = torch.arange(8.0).view(2, 4), torch.ones(4)
with torch.no_grad():
    plain = fused.modulated_norm(x, ones, ones)
    with compiling():
        assert torch.equal(fused.modulated_norm(x, ones, ones), plain)
assert not fused._NORM.works
"""
    environment = os.environ | {"CXX": "/nonexistent/c++", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("seedvr2.network.compiled Compiling the transformer's norm does not work here") == 1
