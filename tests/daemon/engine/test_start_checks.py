"""Settings with which no job could ever run end the start with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from daemon.engine import start_checks
from daemon.engine.start_checks import NO_GPU_FOR_GOOD, check_device, check_models
from daemon.errors import ConfigError
from daemon.settings.config import load_config
from tests.daemon.conftest import make_config


def test_a_gpu_that_is_asked_for_and_not_there(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"model\.device is 'cuda', but there is no GPU to compute on: .+\. Or set"):
        check_device(make_config(tmp_path, SEEDVR2_MODEL_DEVICE="cuda"))
    check_device(make_config(tmp_path, SEEDVR2_MODEL_DEVICE="auto"))


@pytest.mark.parametrize(("status", "passing"), [(start_checks.NO_GPU, True), (NO_GPU_FOR_GOOD, False)])
def test_what_may_pass_by_itself_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, passing: bool
) -> None:
    said = subprocess.CompletedProcess([], status, "a line of a library\nthere is no NVIDIA driver\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_more: said)
    with pytest.raises(ConfigError, match="there is no NVIDIA driver") as caught:
        check_device(make_config(tmp_path, SEEDVR2_MODEL_DEVICE="cuda:0"))
    assert isinstance(caught.value.__cause__, OSError) == passing


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CUDA", "mps"])
def test_a_device_of_no_kind_is_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.device takes auto, cpu, cuda or cuda:N, not"):
        make_config(tmp_path, SEEDVR2_MODEL_DEVICE=device)


@pytest.mark.parametrize("key", ["SEEDVR2_MODEL_DEFAULT", "SEEDVR2_DEFAULTS_DIT_MODEL"])
def test_an_unknown_default_ends_the_start_unless_its_file_may_be_there(tmp_path: Path, key: str) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with pytest.raises(ConfigError, match=r"'seedvr9'\. The catalogue has no model 'seedvr9'\. Did you mean seedvr2_"):
        check_models(make_config(tmp_path, **{key: "seedvr9"}))
    for name in ("auto", "nano", "3b", "3b-q4", "seedvr2_ema_7b_fp16.safetensors"):
        check_models(make_config(tmp_path, **{key: name}))
    (models / "mine.safetensors").write_bytes(b"")
    check_models(make_config(tmp_path, **{key: "mine.safetensors"}))
    # It may lie on a disk that is not mounted now.
    environment = {key: "other.safetensors", "SEEDVR2_PATHS_MODELS": f"{models},{tmp_path / 'gone'}"}
    check_models(load_config(None, environment | {"XDG_CONFIG_HOME": str(tmp_path)}))


def test_the_service_says_so_and_ends(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "config.toml").write_text("[model]\ndefault = 'seedvr9'\n[server]\nport = 0\n")
    for words in ([], ["check-config"]):
        ended = subprocess.run(
            [sys.executable, "-m", "daemon", "--config", str(tmp_path / "config.toml"), *words],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 2
        assert "model.default is 'seedvr9'" in ended.stderr
