"""A machine that takes part: Ray is started on it, and ended with this process."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from daemon.cluster import share
from daemon.cluster.head import secrets_folder
from daemon.cluster.member import Start, member_start
from daemon.cluster.ray_folder import held_member_folder
from daemon.cluster.secrets import JOINED
from daemon.cluster.share import PathMapping
from daemon.engine.serving import die_with_parent
from daemon.errors import ClusterError
from daemon.machines.join_file import read_join_file
from daemon.machines.preflight import check_cluster, check_machine
from daemon.settings.config import Config

# One that the head cannot reach is given up within `lost_s`, and Ray leaves without a word.
_SOON_S = 20.0
# In less it has not even begun.
_START_S = 2.0


def check(file: Path, config: Config, mappings: Sequence[PathMapping], gpus: str, say: Callable[[str], None]) -> Start:
    """Look at everything first; answers how Ray is started here. Raises ClusterError."""
    joining = read_join_file(file)
    folder = secrets_folder(config.cluster, config.paths.state)
    # A folder that holds one for its owner alone is one, too.
    secrets = folder / JOINED
    own = check_cluster(joining, secrets, say)
    for sentence in check_machine(joining, config, mappings, gpus):
        say(sentence)
    start = member_start(
        secrets, joining.address, joining.port, own, name=joining.name, gpus=gpus, lost_s=joining.lost_s
    )
    # Ray runs in another folder, and a file that was named is named to this process alone.
    named = {"SEEDVR2_CONFIG": str(config.file)} if config.file else dict[str, str]()
    return replace(start, environment={**start.environment, **named, share.VARIABLE: share.as_variable(mappings)})


def run(start: Start, lost_s: float, say: Callable[[str], None]) -> int:
    """Take part until this process is told to end, or Ray ends; answers the exit status.

    Raises:
        ClusterError: Ray has ended so soon that something is in its way, or another process takes part.
    """
    told: list[int] = []
    with held_member_folder(start.folder):
        began = time.monotonic()
        # Whatever ends this process, the machine does not go on taking part.
        process = subprocess.Popen(start.words, env=dict(start.environment), cwd="/", stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)  # fmt: skip

        def end(number: int, _frame: object) -> None:
            told.append(number)
            process.terminate()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        say("This machine takes part; end it with Ctrl-C.")
        status = process.wait()
    if told:
        return 0
    lived_s = time.monotonic() - began
    if lived_s < _START_S:
        raise ClusterError(f"Ray cannot be started here (status {status}); what it said is above.")
    if lived_s < lost_s + _SOON_S:
        raise ClusterError(
            f"Ray has ended after {lived_s:.0f} s (status {status}). If the head goes on, it could not reach this "
            "machine: let TCP from the head to the ports of the cluster through the firewall here."
        )
    say(f"Ray has ended (status {status}): the head is gone, or was not reached for too long.")
    return status or 1
