"""The command line: exit statuses that systemd can act on, and a sentence for whoever reads it."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import __main__ as command_line
from daemon.__main__ import CONFIGURATION, MAY_PASS, main
from daemon.errors import ConfigError, ServiceError, StoreError


def environment(folder: Path, **more: str) -> dict[str, str]:
    paths = {f"SEEDVR2_PATHS_{name.upper()}": str(folder / name) for name in ("inbox", "outputs", "state", "models")}
    return {**os.environ, **paths, "PORT": "0", **more}


def run(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a daemon that cannot start."""
    return subprocess.run(
        [sys.executable, "-m", "daemon"], env=environment(folder, **more), capture_output=True, text=True, timeout=120
    )


def test_a_wrong_configuration_is_2_and_is_not_tried_again(tmp_path: Path) -> None:
    ended = run(tmp_path, SEEDVR2_SERVER_PORT="no")
    assert ended.returncode == CONFIGURATION == 2
    assert "server.port takes a whole number" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken_may_be_free_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run(tmp_path, SEEDVR2_SERVER_PORT=str(taken.getsockname()[1]))
    assert ended.returncode == MAY_PASS == 75
    assert "cannot be listened on" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_cannot_be_made_may_be_there_later(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("no folder")
    ended = run(tmp_path)
    assert ended.returncode == MAY_PASS
    assert "outputs" in ended.stderr
    assert "Traceback" not in ended.stderr


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("wrong"), CONFIGURATION),
        (StoreError("Another seedvr2d uses it."), CONFIGURATION),
        (_caused(StoreError("The state folder cannot be used."), OSError(errno.EIO, "Input/output error")), MAY_PASS),
        (OSError(errno.EIO, "Input/output error"), MAY_PASS),
    ],
)
def test_statuses(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_file: Path | None) -> None:
        raise error

    monkeypatch.setattr(command_line, "load_config", fail)
    assert main([]) == status
    assert str(error) in capsys.readouterr().err


def test_an_error_of_the_system_below_makes_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_file: Path | None) -> None:
        try:
            raise OSError(errno.EROFS, "Read-only file system")
        except OSError as error:
            raise ConfigError("The folder cannot be made.") from error

    monkeypatch.setattr(command_line, "load_config", fail)
    assert main([]) == MAY_PASS


def test_a_closed_standard_error_hides_nothing_of_the_status(tmp_path: Path) -> None:
    command = f"{sys.executable} -m daemon 2>&-"
    ended = subprocess.run(
        ["sh", "-c", command], env=environment(tmp_path, SEEDVR2_SERVER_PORT="no"), stdout=subprocess.DEVNULL
    )
    assert ended.returncode == CONFIGURATION


def test_a_full_standard_error_hides_nothing_of_the_status(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "daemon"], env=environment(tmp_path, SEEDVR2_SERVER_PORT="no"), stderr=full
        )
    assert ended.returncode == CONFIGURATION


def test_the_limit_of_descriptors_is_raised_first(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def load(_file: Path | None) -> None:
        order.append("load")
        raise ServiceError("enough")

    monkeypatch.setattr(command_line, "raise_limit", lambda: order.append("raise"))
    monkeypatch.setattr(command_line, "load_config", load)
    main([])
    assert order == ["raise", "load"]
