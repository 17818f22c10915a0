"""`join FILE --service`, with a `systemctl` that writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.machines.service import unit_text
from seedvr2.standard_folders import ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "SEEDVR2_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def file(home: Path) -> Path:
    (home / "head").mkdir()
    config = home / "head/config.toml"
    config.write_text('[cluster]\naddress = "192.0.2.10:8210"\n')
    assert main(["--config", str(config), "cluster", "init"]) == 0
    with (home / "studio-2.join").open("wb") as opened:
        words = [sys.executable, "-m", "daemon", "--config", str(config), "cluster", "add", "studio-2"]
        subprocess.run(words, stdout=opened, stderr=subprocess.PIPE, cwd=ROOT, check=True)
    return home / "studio-2.join"


def test_a_machine_takes_part_from_now_on(home: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["join", str(file), "--service", "--user", "--gpus", "0,1", "--path", "/srv/out puts=/mnt/outputs"]
    unit, kept = home / ".config/systemd/user/seedvr2d-join.service", home / ".local/share/seedvr2d/join/studio-2.join"
    assert main([*words, "--dry-run"]) == 0
    assert f"would: write {unit}" in capsys.readouterr().out and not unit.exists() and not kept.exists()
    assert main(words) == 0
    assert kept.read_bytes() == file.read_bytes() and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    text = unit.read_text()
    assert f'join {kept} --gpus 0,1 --path "/srv/out puts=/mnt/outputs"\n' in text
    assert "\nRestart=always\n" in text and "\nKillMode=control-group\n" in text and "User=" not in text
    asked = ["daemon-reload", "enable seedvr2d-join.service", "restart seedvr2d-join.service"]
    assert (home / "asked").read_text().splitlines() == [f"--user {each}" for each in asked]


def test_the_unit_of_a_machine_is_no_root(file: Path) -> None:
    text = unit_text(["/opt/seedvr2d/bin/seedvr2d", "join", "/var/lib/seedvr2d/join/a.join"], user=False)
    assert "\nUser=seedvr2d\n" in text and "\nWantedBy=multi-user.target\n" in text and "remote-fs.target" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("user", [False, True])
def test_systemd_takes_the_unit(home: Path, user: bool) -> None:
    unit = home / "seedvr2d-join.service"
    unit.write_text(unit_text(["/bin/true"], user=user))
    ended = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "seedvr2d-join" not in ended.stderr, ended.stderr


def test_what_is_asked_wrongly(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["--path", "here=there"], "two whole paths"),
        (["--gpus", "first"], "--gpus takes"),
    ):
        assert main(["join", str(file), *words]) == 1
        assert told in capsys.readouterr().err
