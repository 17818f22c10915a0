"""`install-service` and `uninstall-service`: the unit, and for the machine its user, its folders, its configuration."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from daemon.errors import InstallError
from daemon.install import unit
from daemon.install.steps import Step, carry_out, command
from daemon.install.template import write_configuration
from seedvr2.standard_folders import CONFIG_NAME, PROGRAM, SYSTEM_CONFIG, SYSTEM_DATA

SYSTEM_UNITS = Path("/etc/systemd/system")
SHARED = Path("/srv") / PROGRAM
FOLDERS = {
    "inbox": SHARED / "inbox",
    "outputs": SHARED / "outputs",
    "state": SYSTEM_DATA,
    "models": SYSTEM_DATA / "models",
}


def install(environment: Mapping[str, str], *, user: bool, dry_run: bool) -> None:
    """Install, enable and start the unit. Raises InstallError."""
    words = unit.program()
    if not user:
        check_system(words, dry_run=dry_run)
    file = unit_file(environment, user=user)
    text = unit.user_unit(words) if user else unit.system_unit(words)
    check_replaceable(file)
    before = [] if user else around()
    systemctl = _systemctl(user)
    steps = [
        *before,
        Step(f"write {file}, which starts {' '.join(words)}", lambda: _write(file, text)),
        command(*systemctl, "daemon-reload"),
        command(*systemctl, "enable", unit.NAME),
        # Also where an earlier version runs.
        command(*systemctl, "restart", unit.NAME),
    ]
    carry_out(steps, dry_run=dry_run)


def uninstall(environment: Mapping[str, str], *, user: bool, dry_run: bool) -> None:
    """Stop the unit and remove it; folders, configuration and the system's user stay. Raises InstallError."""
    file = unit_file(environment, user=user)
    if not file.exists():
        raise InstallError(f"{file} is not there; nothing is installed that could be removed.")
    check_replaceable(file)
    if not user and not dry_run:
        _check_root()
    systemctl = _systemctl(user)
    steps = [
        command(*systemctl, "disable", "--now", unit.NAME),
        Step(f"remove {file}", file.unlink),
        command(*systemctl, "daemon-reload"),
    ]
    carry_out(steps, dry_run=dry_run)
    print("The configuration and all folders stay.")


def unit_file(environment: Mapping[str, str], *, user: bool) -> Path:
    """Where systemd looks for it."""
    if not user:
        return SYSTEM_UNITS / unit.NAME
    stated = Path(environment.get("XDG_CONFIG_HOME", ""))
    base = stated if stated.is_absolute() else Path(environment.get("HOME") or Path.home()) / ".config"
    return base / "systemd" / "user" / unit.NAME


def _systemctl(user: bool) -> tuple[str, ...]:
    return ("systemctl", "--user") if user else ("systemctl",)


def _check_root() -> None:
    if os.geteuid() != 0:
        raise InstallError("A service of the machine is installed by root: use sudo, or --user for one of your own.")


def check_system(words: list[str], *, dry_run: bool) -> None:
    """Raise InstallError where a service of the machine cannot be installed, or could not reach the program."""
    if not dry_run:
        _check_root()
    if unit.is_hidden(words):
        raise InstallError(
            f"A service of the machine cannot reach {words[0]} in somebody's home; install the program in /opt "
            "(docs/install.md), or use --user."
        )


def check_replaceable(file: Path) -> None:
    """Raise InstallError where a unit is somebody else's."""
    try:
        if file.exists() and not unit.is_ours(file.read_text(encoding="utf-8", errors="replace")):
            raise InstallError(f"{file} was not written by this program; move it away first.")
    except OSError as error:
        raise InstallError(f"{file} cannot be read: {error.strerror}.") from error


def around() -> list[Step]:
    """The user, the folders and the configuration of a service of the machine, as far as they are missing."""
    steps = []
    try:
        pwd.getpwnam(PROGRAM)
    except KeyError:
        home = str(SYSTEM_DATA)
        steps.append(command("useradd", "--system", "--user-group", "--home-dir", home,
                             "--shell", "/usr/sbin/nologin", PROGRAM))  # fmt: skip
    for folder, mode in ((SYSTEM_DATA, "0750"), (FOLDERS["inbox"], "2770"), (FOLDERS["outputs"], "2770")):
        if not folder.exists():
            # Set-group: what anybody drops there belongs to the group.
            steps.append(command("install", "-d", "-o", PROGRAM, "-g", PROGRAM, "-m", mode, str(folder)))
    file = SYSTEM_CONFIG / CONFIG_NAME
    if not file.exists():
        steps.append(Step(f"write {file}", lambda: write_configuration(file, FOLDERS)))
        steps.append(command("chgrp", PROGRAM, str(file)))
    return steps


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
