"""`join FILE --service`: a unit of systemd that has this machine take part whenever it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from daemon.cluster.secrets import make_folder, write_secret
from daemon.install.service import around, check_replaceable, check_system, unit_file
from daemon.install.steps import Step, carry_out, command
from daemon.install.unit import program, quoted
from daemon.machines.join_file import read_join_file
from seedvr2.standard_folders import CONFIG_NAME, PROGRAM, SYSTEM_CONFIG, SYSTEM_DATA, user_data

NAME = "seedvr2d-join.service"
_UNIT = """# Written by `seedvr2d join --service`; changes go into `systemctl edit seedvr2d-join`.
[Unit]
Description=seedvr2d: works for the cluster of another machine
{ordering}# The head may be away for a week.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={start}
# Ray ends with status 0 when it is cut off.
Restart=always
RestartSec=10
# Ray has many processes, and some outlive it.
KillMode=control-group
TimeoutStopSec=30
RuntimeDirectory=seedvr2d-join
RuntimeDirectoryMode=0700
UMask=0007
OOMPolicy=continue
LimitNOFILE=65536
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
{user}
[Install]
WantedBy={target}
"""
_USER = f"""User={PROGRAM}
Group={PROGRAM}
SupplementaryGroups=video render
Environment=HOME={SYSTEM_DATA}
Environment=HF_HOME=/var/cache/{PROGRAM}/huggingface
Environment=TRITON_CACHE_DIR=/var/cache/{PROGRAM}/triton
CacheDirectory={PROGRAM}
CapabilityBoundingSet=
ProtectSystem=full
ProtectHome=yes
"""
_ORDERING = "Wants=network-online.target\nAfter=network-online.target nvidia-persistenced.service remote-fs.target\n"


def install(file: Path, paths: Sequence[str], gpus: str, *, user: bool, dry_run: bool) -> None:
    """Keep the file where only the user of the service can read it; install, enable and start the unit.

    Raises:
        ClusterError: the file cannot be used. InstallError: a step is refused.
    """
    joining = read_join_file(file)
    words = program()
    if not user:
        check_system(words, dry_run=dry_run)
    folder = user_data(os.environ) if user else SYSTEM_DATA
    kept = folder / "join" / f"{joining.name}.join"
    unit = unit_file(os.environ, user=user).with_name(NAME)
    check_replaceable(unit)
    configured = [] if user else ["--config", str(SYSTEM_CONFIG / CONFIG_NAME)]
    start = [
        *words,
        *configured,
        "join",
        str(kept),
        "--gpus",
        gpus,
        *(word for each in paths for word in ("--path", each)),
    ]
    text = unit_text(start, user=user)
    systemctl = ("systemctl", "--user") if user else ("systemctl",)

    def keep() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        make_folder(kept.parent)
        write_secret(kept.parent, kept.name, file.read_bytes())

    def write() -> None:
        unit.parent.mkdir(parents=True, exist_ok=True)
        unit.write_text(text, encoding="utf-8")
        unit.chmod(0o644)

    steps = [
        *([] if user else around()),
        Step(f"keep {file} as {kept}", keep),
        Step(f"write {unit}, which starts {' '.join(start)}", write),
        command(*systemctl, "daemon-reload"),
        command(*systemctl, "enable", NAME),
        command(*systemctl, "restart", NAME),
    ]
    carry_out(steps, dry_run=dry_run)
    if not dry_run:
        print(f"Remove {file} now. What it does: journalctl {'--user ' if user else ''}-u {NAME}")


def unit_text(start: Sequence[str], *, user: bool) -> str:
    """The unit that starts these words; of the machine, or of a user."""
    return _UNIT.format(
        ordering="" if user else _ORDERING,
        start=quoted(list(start)),
        user="" if user else _USER,
        target="default.target" if user else "multi-user.target",
    )
