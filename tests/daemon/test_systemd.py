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


def values(unit: Path, key: str) -> list[str]:
    """What a unit sets `key` to."""
    lines = [line.partition("=") for line in unit.read_text().splitlines() if not line.startswith("#")]
    return [value for name, _, value in lines if name == key]


@pytest.mark.parametrize("unit", ["seedvr2d.service", "user/seedvr2d.service"])
def test_a_wrong_configuration_is_not_tried_again_and_everything_else_is_without_end(unit: str) -> None:
    from daemon.__main__ import CONFIGURATION, MAY_PASS

    path = UNITS / unit
    assert values(path, "RestartPreventExitStatus") == [str(CONFIGURATION)]
    assert str(MAY_PASS) not in values(path, "RestartPreventExitStatus")
    (burst,), (interval,), (pause,) = (
        [int(value) for value in values(path, key)]
        for key in ("StartLimitBurst", "StartLimitIntervalSec", "RestartSec")
    )
    assert burst == 10
    # Starts that end at once never reach the limit by themselves.
    assert burst * pause > interval


@pytest.mark.parametrize(("unit", "mask"), [("seedvr2d.service", 0o007), ("user/seedvr2d.service", 0o027)])
def test_memory_and_modes_are_limited(unit: str, mask: int) -> None:
    assert values(UNITS / unit, "MemoryHigh") == ["85%"]
    assert [int(value, 8) for value in values(UNITS / unit, "UMask")] == [mask]


def test_the_service_of_the_machine_waits_for_its_disks() -> None:
    (mounts,) = values(UNITS / "seedvr2d.service", "RequiresMountsFor")
    assert mounts.split() == ["/srv/seedvr2d", "/var/lib/seedvr2d"]
