"""How Ray is started on a machine that joins: words and variables, tried with Ray 2.60.

All of it is behind the token and TLS; no dashboard, no Jobs API, no usage statistics, no port but those of the head.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.cluster.head import FIXED_PORTS, LABEL, OBJECT_STORE_BYTES, member_environment, patience
from daemon.cluster.ray_folder import member_folder

# From that of the head on.
PORTS = max(FIXED_PORTS.values()) + 1


@dataclass(frozen=True, slots=True)
class Start:
    """A process to start. `environment` is all of it; `folder` holds Ray's sockets and logs."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


def ray_command(*words: str) -> tuple[str, ...]:
    """Ray's command line, of this very installation."""
    return (sys.executable, "-m", "ray.scripts.scripts", *words)


def joined(host: str, port: int) -> str:
    """An address with its port, as Ray and people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def environment(secrets: Path, address: str, lost_s: float) -> dict[str, str]:
    """All variables of a process that has to do with the cluster. Raises ServiceError: a secret is not as it has to be.

    Args:
        secrets: the folder of them. address: of the head, with its port. lost_s: as it is configured there.
    """
    # Variables of Ray that somebody has set for another cluster do not belong to this one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {
        **inherited,
        **member_environment(secrets, address),
        **patience(lost_s),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        # Otherwise Ray gives each slot one thread, whatever PyTorch would take.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0))),
    }


def member_start(secrets: Path, head: str, port: int, own: str, *, name: str, gpus: str, lost_s: float) -> Start:
    """`ray start --block` of a machine that joins.

    Args:
        head, own: IP addresses. port: of the head. gpus: all, or numbers such as `0,1`.
    """
    folder = member_folder(port)
    fixed = [word for part, above in FIXED_PORTS.items() for word in (part, str(port + above))]
    words = ["start", "--block", "--disable-usage-stats", "--address", joined(head, port), "--node-ip-address", own]
    # A dashboard is a matter of the head, and is refused here.
    words += [*fixed, "--include-log-monitor=false"]
    words += ["--object-store-memory", str(OBJECT_STORE_BYTES), "--temp-dir", str(folder)]
    # A GPU is what there is one of; Ray would start a process for each core beforehand.
    words += ["--num-cpus", "1", "--labels", f"{LABEL}={name}"]
    variables = environment(secrets, joined(head, port), lost_s)
    if gpus != "all":
        numbers = [number.strip() for number in gpus.split(",")]
        words += ["--num-gpus", str(len(numbers))]
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(numbers)
    return Start(ray_command(*words), variables, folder)
