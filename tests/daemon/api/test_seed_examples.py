"""The examples of the API document, word for word (but for the port), against a live server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.daemon.conftest import Running, picture

HERE = Path(__file__).parent
DOCUMENTED = "http://localhost:8200"


@pytest.mark.skipif(not shutil.which("jq") or not shutil.which("curl"), reason="the script needs jq and curl")
def test_the_shell_script_runs_to_its_end(running: Running, tmp_path: Path) -> None:
    script = (HERE / "seed_script.sh").read_text().replace(DOCUMENTED, localhost(running))
    (tmp_path / "script.sh").write_text(script)
    picture(tmp_path / "test.png")
    ended = subprocess.run(["bash", "script.sh"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert "null" not in ended.stdout.split("6. Submit")[1].split("7. Polling")[0]
    assert "Status: completed" in ended.stdout
    assert "HTTP/1.1 200 OK" in ended.stdout
    assert ended.stdout.rstrip().endswith("=== All Tests Completed ===")


def test_the_python_client_does_the_whole_round(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "input.mp4")
    source = (HERE / "seed_client.txt").read_text().replace(DOCUMENTED, localhost(running))
    module = ModuleType("seed_client")
    exec(compile(source, "seed_client", "exec"), module.__dict__)
    assert module.final["status"] == "completed"
    assert (tmp_path / "output.mp4").read_bytes() == Path(module.final["output_path"]).read_bytes()
    assert set(module.client.gpu_status()) >= {"cuda_available", "model_loaded", "current_task"}
    assert module.client.list_models()["models"]
    assert module.client.queue_status()["total_completed"] == 1
    assert module.client.switch_model("nano.safetensors")["status"] == "loaded"


def localhost(running: Running) -> str:
    return f"http://localhost:{running.service.api.port}"
