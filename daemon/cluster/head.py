"""How the Ray of several machines is started and spoken to: always with a token and with TLS."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from daemon.cluster.secrets import CA, NODE, NODE_KEY, TOKEN, check_secrets
from daemon.settings.config import is_loopback
from daemon.settings.keys import ClusterSettings

OBJECT_STORE_BYTES = 1 << 30
# The label by which a machine that joins says its name.
LABEL = "seedvr2d-machine"
# A machine is asked whether it is there once a second; so often in a row it may not answer within two.
PERIOD_S, ANSWER_S = 1.0, 2.0
# All ports are at fixed distances from that of the head, 8210, so that a firewall can be told of them.
FIXED_PORTS = {
    "--node-manager-port": 1,
    "--object-manager-port": 2,
    "--runtime-env-agent-port": 3,
    "--dashboard-agent-grpc-port": 4,
    "--metrics-export-port": 5,
    "--dashboard-port": 6,
    "--dashboard-agent-listen-port": 7,
    "--min-worker-port": 10,
    "--max-worker-port": 89,
}


def member_environment(secrets: Path, address: str) -> dict[str, str]:
    """What Ray on a member of the cluster has to find in its environment.

    Args:
        secrets: the folder of the token and the certificates. address: of the head, with its port.

    Raises:
        ClusterError: one of them is missing, or others may read it.
    """
    files = {name: secrets / name for name in (CA, NODE, NODE_KEY, TOKEN)}
    if is_loopback(address.rpartition(":")[0].strip("[]")) and not any(file.exists() for file in files.values()):
        return {}
    check_secrets(secrets)
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(files[TOKEN]),
        # It would count in place of the file.
        "RAY_AUTH_TOKEN": "",
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": str(files[NODE]),
        "RAY_TLS_SERVER_KEY": str(files[NODE_KEY]),
        "RAY_TLS_CA_CERT": str(files[CA]),
    }


def token_mode(environment: Mapping[str, str]) -> dict[str, str]:
    """What a Ray that was started on this machine without a word about tokens has decided for itself.

    `ray start` asks for a token where it finds one, as of Ray 2.60; who names an address is told nothing of it.
    """
    if "RAY_AUTH_MODE" in environment:
        return {}
    named = environment.get("RAY_AUTH_TOKEN") or environment.get("RAY_AUTH_TOKEN_PATH")
    return {"RAY_AUTH_MODE": "token"} if named or (Path.home() / ".ray/auth_token").is_file() else {}


def patience(lost_s: float) -> dict[str, str]:
    """The environment with which a head gives up a machine after so many seconds."""
    failures = max(round((lost_s - ANSWER_S) / (PERIOD_S + ANSWER_S)) + 1, 1)
    return {
        "RAY_health_check_period_ms": str(round(1000 * PERIOD_S)),
        "RAY_health_check_timeout_ms": str(round(1000 * ANSWER_S)),
        "RAY_health_check_failure_threshold": str(failures),
    }


def command(settings: ClusterSettings, gpus: int) -> list[str]:
    """What starts Ray's head on this machine, and ends with it. It needs `--temp-dir` besides."""
    host, _, port = settings.address.rpartition(":")
    fixed = [word for name, above in FIXED_PORTS.items() for word in (name, str(int(port) + above))]
    return [
        *(str(Path(sys.executable).parent / "ray"), "start", "--head", "--block"),
        *("--node-ip-address", host.strip("[]"), "--port", port, *fixed),
        *("--num-cpus", str(max(gpus, 1)), "--num-gpus", str(gpus)),
        *("--object-store-memory", str(OBJECT_STORE_BYTES)),
        *("--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"),
        # It starts machines in clouds, of which there are none here, and shows its figures to everybody on port 44217.
        "--no-monitor",
    ]


def secrets_folder(settings: ClusterSettings, state: Path) -> Path:
    """Where the token and the certificates are."""
    return settings.secrets if settings.secrets != Path() else state / "cluster"
