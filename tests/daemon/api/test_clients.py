"""Clients that are generated from the API document send a picture and get its result, whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.api.test_openapi import DescribingExecutor
from tests.daemon.conftest import Running, Start, picture

pytestmark = pytest.mark.long
PATIENCE_S = 900
HERE = Path(__file__).parent


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def done(*command: str | Path, cwd: Path) -> str:
    ended = run(*command, cwd=cwd)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    return ended.stdout


@pytest.fixture
def live(start: Start) -> Running:
    return start(DescribingExecutor())


@pytest.fixture
def document(live: Running, tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_bytes(live.get("/openapi.json").content)
    return file


def test_a_python_client_gets_a_picture_there_and_back(live: Running, document: Path, tmp_path: Path) -> None:
    done(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"
    got = run(programs / "pip", "-q", "install", "openapi-python-client>=0.29,<0.30", cwd=tmp_path)
    if got.returncode:
        pytest.skip(f"openapi-python-client cannot be fetched: {got.stderr.strip()[-200:]}")
    # It refers to what it leaves out by warnings, and ends well.
    said = done(
        programs / "openapi-python-client", "generate", "--path", document, "--output-path", "made", "--meta", "none",
        cwd=tmp_path,
    )  # fmt: skip
    assert "parsing" not in said, said
    source, result = picture(tmp_path / "照片.png"), tmp_path / "result.png"
    script = shutil.copy(HERE / "generated_client.txt", tmp_path / "use.py")
    done(programs / "python", script, live.service.url, source, result, cwd=tmp_path)
    (made,) = [path for path in live.results() if "_s7_" in path.name]
    assert result.read_bytes() == made.read_bytes()
    assert result.stat().st_size > 0


def test_typescript_has_types_for_it(document: Path, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node is not installed.")
    got = run(npm, "install", "--no-audit", "--no-fund", "openapi-typescript@7", "typescript@5", cwd=tmp_path)
    if got.returncode:
        pytest.skip(f"openapi-typescript cannot be fetched: {got.stderr.strip()[-200:]}")
    programs = tmp_path / "node_modules" / ".bin"
    done(programs / "openapi-typescript", document, "-o", "api.ts", "--default-non-nullable=false", cwd=tmp_path)
    shutil.copy(HERE / "typed_client.txt", tmp_path / "use.ts")
    done(programs / "tsc", "--strict", "--noEmit", "--target", "es2022", "use.ts", cwd=tmp_path)
