"""The units, judged by systemd's own tools where they are installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
ANALYZE = shutil.which("systemd-analyze") or ""
needs_systemd = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")


def with_python(unit: Path, tmp_path: Path) -> Path:
    """The unit with a program that exists here."""
    copy = tmp_path / unit.name
    lines = [
        f"ExecStart={sys.executable} -m daemon" if line.startswith("ExecStart=") else line
        for line in unit.read_text().splitlines()
    ]
    copy.write_text("\n".join(lines))
    return copy


@needs_systemd
@pytest.mark.parametrize(("unit", "options"), [("seedvr2d.service", []), ("user/seedvr2d.service", ["--user"])])
def test_systemd_finds_nothing_wrong(
    unit: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    copy = with_python(UNITS / unit, tmp_path)
    ended = subprocess.run([ANALYZE, *options, "verify", copy], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@needs_systemd
def test_the_system_unit_is_hardened(tmp_path: Path) -> None:
    copy = with_python(UNITS / "seedvr2d.service", tmp_path)
    ended = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--threshold=20", copy], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-300:]


def test_a_job_gets_more_time_to_let_go_than_the_service_waits_for_it() -> None:
    from daemon.service import STOP_S

    for unit in UNITS.rglob("*.service"):
        (timeout,) = [line for line in unit.read_text().splitlines() if line.startswith("TimeoutStopSec=")]
        assert int(timeout.split("=")[1]) > STOP_S + 20
