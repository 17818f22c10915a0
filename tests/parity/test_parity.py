"""The bundled fixtures pass, and the command notices what does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.parity.__main__ import BUNDLED, main
from tests.parity.report import Check
from tests.parity.runner import run

GROUPS = (
    *("alpha", "batching", "blend_weights", "color", "dit_3b", "dit_7b", "e2e", "manifest_3b", "manifest_7b"),
    *("manifest_vae", "preprocess", "quant", "registry", "rope", "sampler", "sizes", "vae", "windows"),
)


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return list(run(BUNDLED))


def test_every_bundled_case_is_within_its_tolerance(checks: list[Check]) -> None:
    assert [str(check) for check in checks if not check.passed] == []
    assert len(checks) > 600


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_checked(checks: list[Check], group: str) -> None:
    assert any(check.name.startswith(group) for check in checks)


def _copy(tmp_path: Path, *names: str) -> Path:
    """A set of only some of the bundled files."""
    index = json.loads((BUNDLED / "INDEX.json").read_text())
    index["files"] = [entry for entry in index["files"] if entry["path"] in names]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUNDLED / name, tmp_path / name)
    (tmp_path / "INDEX.json").write_text(json.dumps(index))
    return tmp_path


def _failures(root: Path) -> list[str]:
    return [check.name for check in run(root) if not check.passed]


def test_a_damaged_file_is_a_failure(tmp_path: Path) -> None:
    root = _copy(tmp_path, "rope.json", "rope.safetensors")
    tensors = load_file(root / "rope.safetensors")
    tensors["3b_0_q_rot"] = tensors["3b_0_q_rot"] + 1e-3
    save_file(tensors, root / "rope.safetensors")
    assert _failures(root) == ["rope.safetensors is whole", "rope 3b_0_q"]


def test_a_case_that_nobody_understands_is_a_failure(tmp_path: Path) -> None:
    root = _copy(tmp_path, "sizes.json")
    (root / "sizes.json").write_text(json.dumps({"something": "new"}))
    assert _failures(root) == ["sizes is understood"]


def test_a_file_that_no_case_reads_is_a_failure(tmp_path: Path) -> None:
    root = _copy(tmp_path, "sizes.json", "rope.safetensors")
    assert _failures(root) == ["rope.safetensors is read by a case"]


def test_a_case_that_breaks_is_a_failure_and_the_rest_still_runs(tmp_path: Path) -> None:
    root = _copy(tmp_path, "blend_weights.json", "color/color2.json", "color/color2.safetensors")
    (root / "blend_weights.json").write_text(json.dumps({"w_prev": {"three": [1]}}))
    failures = _failures(root)
    assert failures == ["blend_weights runs"]


def test_nan_is_a_failure() -> None:
    assert not Check("x", float("nan"), 1.0).passed
    assert not Check("x", torch.tensor(float("nan")).item(), 1.0).passed


def test_the_command_counts_and_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _copy(tmp_path, "blend_weights.json")
    monkeypatch.setattr("sys.argv", ["parity", str(root)])
    assert main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "17 passed, 0 failed"
    (root / "blend_weights.json").write_text(json.dumps({"w_prev": {"1": [0.25]}}))
    assert main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed"
