"""The wheel, as `pipx install` and `uv tool install` use it: in a clean environment, from any folder."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.packaging.sources import PACKAGES, ROOT, clean_environment, copy_sources

SAMPLE = ROOT / "benchmarks" / "assets" / "city.mp4"
BESIDE = ("config.toml", "systemd/seedvr2d.service", "systemd/user/seedvr2d.service")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    sources = copy_sources(folder / "sources")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(sources)]
    subprocess.run(command, check=True, env=clean_environment())
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.long
def test_everything_that_a_package_has_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(zipfile.ZipFile(wheel).namelist())
    assert not set(listed.stdout.split()) - names
    for name in BESIDE:
        assert any(each.endswith(f"data/share/seedvr2d/{name}") for each in names), name
    assert not [name for name in names if name.startswith(("tests/", "training/", "benchmarks/"))]


@pytest.mark.long
def test_an_installed_program_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True, env=clean_environment())
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    environment = {"PATH": f"{place / 'bin'}:/usr/bin:/bin", "HOME": str(home), "PORT": "8257"}

    def run(*words: str) -> str:
        ended = subprocess.run(
            words, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert run("seedvr2d", "--version").startswith("seedvr2d ")
    assert "data/share" not in run("seedvr2d", "install-service", "--user", "--dry-run")
    run("seedvr2", "upscale", str(SAMPLE), "results/", "--resolution", "96", "--model", "nano", "--quiet")
    assert [path.name for path in (elsewhere / "results").iterdir()] == ["city.mp4"]
    run("seedvr2d", "init")
    with subprocess.Popen(["seedvr2d"], cwd=elsewhere, env=environment) as daemon:
        try:
            _until_it_answers("http://127.0.0.1:8257/health")
            with urllib.request.urlopen("http://127.0.0.1:8257/") as page:
                assert b"<html" in page.read()
            assert "completed: " in run("seedvr2d", "submit", str(SAMPLE), "--resolution", "96", "--wait")
        finally:
            daemon.terminate()
    outputs = home / ".local/share/seedvr2d/outputs"
    assert [path.suffix for path in outputs.iterdir() if path.suffix == ".mp4"] == [".mp4"]
    assert [path.name for path in elsewhere.iterdir()] == ["results"]
    answer = subprocess.run(
        ["seedvr2-mcp"], input='{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n',
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "submit_video_task" in answer.stdout


def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")
