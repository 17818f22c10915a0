"""`init`, `install-service`, `uninstall-service`, with a `systemctl` that writes down what it is asked."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.install import service, unit
from daemon.settings.config import load_config
from seedvr2.standard_folders import ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "SEEDVR2_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    programs = tmp_path / "bin"
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_init_writes_a_commented_configuration_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, data = home / ".config/seedvr2d/config.toml", home / ".local/share/seedvr2d"
    assert main(["init"]) == 0
    assert str(file) in capsys.readouterr().out
    shipped, written = (path.read_text(encoding="utf-8").splitlines() for path in (ROOT / "config.toml", file))
    changed = [line.partition(" = ")[0] for old, line in zip(shipped, written, strict=True) if old != line]
    assert changed == ["inbox", "outputs", "state", "models"]
    paths = load_config(file, {}).paths
    assert (paths.inbox, paths.outputs, paths.state) == (data / "inbox", data / "outputs", data / "state")
    assert str(data / "models") in str(paths.models)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    file.write_text("mine")
    assert main(["init"]) == 1
    assert "is there already" in capsys.readouterr().err and file.read_text() == "mine"


def test_a_service_of_a_user_comes_and_goes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / ".config/systemd/user/seedvr2d.service"
    assert main(["install-service", "--user", "--dry-run"]) == 0
    assert f"would: write {file}" in capsys.readouterr().out and not file.exists() and not (home / "asked").exists()
    assert main(["install-service", "--user"]) == 0
    text = file.read_text()
    assert f"\nExecStart={' '.join(unit.program())}\n" in text and f"\nWorkingDirectory={ROOT}\n" in text
    shipped = (ROOT / "systemd/user/seedvr2d.service").read_text()
    assert text.count("\n[") == shipped.count("\n[") and "Type=notify" in text
    asked = ["daemon-reload", "enable seedvr2d.service", "restart seedvr2d.service"]
    assert (home / "asked").read_text().splitlines() == [f"--user {each}" for each in asked]
    # Again, as after an upgrade.
    assert main(["install-service", "--user"]) == 0
    (home / "asked").unlink()
    assert main(["uninstall-service", "--user"]) == 0
    assert not file.exists()
    assert (home / "asked").read_text() == "--user disable --now seedvr2d.service\n--user daemon-reload\n"
    assert main(["uninstall-service", "--user"]) == 1
    assert "nothing is installed" in capsys.readouterr().err


def test_a_unit_of_somebody_else_is_left_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / ".config/systemd/user/seedvr2d.service"
    file.parent.mkdir(parents=True)
    file.write_text("[Service]\nExecStart=/bin/true\n")
    for words in (["install-service", "--user"], ["uninstall-service", "--user"]):
        assert main(words) == 1
        assert "was not written by this program" in capsys.readouterr().err
    assert file.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_the_unit_of_the_machine_reads_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    text = unit.system_unit(["/opt/my tools/100%/seedvr2d"])
    assert '\nExecStart="/opt/my tools/100%%/seedvr2d" --config /etc/seedvr2d/config.toml\n' in text
    assert unit.is_ours(text) and text.count("ExecStart=") == 1
    assert unit.is_hidden(["/home/me/.local/bin/seedvr2d"]) and unit.is_hidden(["/root/x"])


def test_who_may_install_for_the_machine(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip # noqa: E501
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["install-service"]) == 1
    assert "is installed by root" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(unit, "program", lambda: ["/root/.local/bin/seedvr2d"])
    assert main(["install-service"]) == 1
    assert "cannot reach /root/.local/bin/seedvr2d" in capsys.readouterr().err
    assert not (home / "asked").exists()


def test_what_a_machine_gets_beside_the_unit(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unit, "is_hidden", lambda words: False)
    monkeypatch.setattr(service, "SYSTEM_CONFIG", home / "etc")
    assert main(["install-service", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "useradd --system" in told and "install -d -o seedvr2d -g seedvr2d -m 2770 /srv/seedvr2d/inbox" in told
    assert f"write {home / 'etc/config.toml'}" in told and not (home / "etc").exists()
    service.write_configuration(home / "etc/config.toml", service.FOLDERS)
    document = tomllib.loads((home / "etc/config.toml").read_text())
    assert document["paths"]["inbox"] == "/srv/seedvr2d/inbox"
