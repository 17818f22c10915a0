"""What is looked at before Ray is started on a machine: a sentence for each thing, with what to do about it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from daemon.cluster.addresses import shown_addresses
from daemon.cluster.certificates import fits, issue
from daemon.cluster.depot import depot_setup
from daemon.cluster.member import PORTS, environment, joined, ray_command
from daemon.cluster.ray_folder import member_folder
from daemon.cluster.secrets import CA, NODE, NODE_KEY, TOKEN, check_secrets, make_folder, write_secret
from daemon.cluster.share import PathMapping, is_shared
from daemon.engine.gpu import cards
from daemon.errors import ClusterError
from daemon.machines.handshake import reach, shake_hands
from daemon.machines.join_file import JoinFile
from daemon.machines.versions import differences, versions
from daemon.settings.config import Config
from daemon.store.files import free_bytes

TOKEN_S = 30.0
_LEAST_BYTES = 2 << 30


def unpack(joining: JoinFile, folder: Path, address: str) -> None:
    """Put the secrets of a file where Ray reads them, with a certificate for this address. Raises ClusterError."""
    make_folder(folder)
    write_secret(folder, CA, joining.authority.encode("ascii"))
    write_secret(folder, TOKEN, joining.token.encode("ascii"))
    node = folder / NODE
    issuer = joining.identity
    if not node.exists() or not fits(node.read_bytes(), issuer.chain, (address,)):
        made = issue(issuer, joining.name, shown_addresses(address))
        write_secret(folder, NODE_KEY, made.key)
        write_secret(folder, NODE, made.chain)
    check_secrets(folder, how="seedvr2d join FILE")


def check_cluster(joining: JoinFile, folder: Path, say: Callable[[str], None]) -> str:
    """That this machine and the head understand each other; answers the address of this machine.

    Raises:
        ClusterError: they do not.
    """
    refused = differences(joining.versions, versions())
    if refused:
        raise ClusterError(" ".join(refused) + " (The versions of the head are those of when the file was made.)")
    where = joined(joining.address, joining.port)
    own = reach(joining.address, joining.port)
    say(f"{where} answers; this machine is {own} to it.")
    unpack(joining, folder, own)
    shake_hands(joining.address, joining.port, folder)
    say("TLS: both certificates are of this cluster.")
    _check_token(joining, folder)
    say("The token is the right one.")
    _check_ports(own, joining.port)
    return own


def check_machine(joining: JoinFile, config: Config, mappings: Sequence[PathMapping], gpus: str) -> Iterator[str]:
    """What there is on this machine to work with, a sentence each. Raises ClusterError: it cannot work."""
    yield _gpus(gpus)
    yield from _shares(joining, mappings, config)
    yield from _models(joining.models, config)
    folder = member_folder(joining.port)
    free = free_bytes(folder)
    if free < _LEAST_BYTES:
        raise ClusterError(f"{folder}, for Ray, has {free >> 20} MiB free; it needs {_LEAST_BYTES >> 20} MiB.")
    yield f"Disk: {free >> 30} GiB are free for Ray at {folder}."


def _check_token(joining: JoinFile, folder: Path) -> None:
    where = joined(joining.address, joining.port)
    words = ray_command("health-check", "--address", where)
    variables = environment(folder, where, joining.lost_s)
    try:
        asked = subprocess.run(
            words, env=variables, capture_output=True, text=True, timeout=TOKEN_S, cwd="/", check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"Ray at {where} does not answer within {TOKEN_S:.0f} s.") from error
    if asked.returncode == 0:
        return
    if "InvalidAuthToken" in asked.stderr + asked.stdout:
        raise ClusterError(
            "The token of this file is not that of the cluster. Make the file anew with `seedvr2d cluster add`, and "
            "restart the daemon there if its secrets were made anew."
        )
    said = [line for line in asked.stderr.splitlines() if line.strip()]
    raise ClusterError(f"Ray at {where} is not well: {said[-1] if said else asked.returncode}")


def _check_ports(own: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    for number in range(port + 1, port + PORTS):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As Ray does; what a process that ended a moment ago has left is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((own, number))
            except OSError as error:
                raise ClusterError(
                    f"Port {number} of this machine is taken ({error.strerror}); the ports {port + 1}-"
                    f"{port + PORTS - 1} have to be free. Does it take part already?"
                ) from error


def _gpus(gpus: str) -> str:
    names = [card.name for card in cards()]
    if gpus == "none" or (gpus == "all" and not names):
        raise ClusterError("There is no GPU here to work with. `--gpus 0` has the processor work, which is slow.")
    if not names:
        return f"No GPU: the processor works, at {len(gpus.split(','))} place(s)."
    missing = [number for number in gpus.split(",") if gpus != "all" and int(number) >= len(names)]
    if missing:
        raise ClusterError(f"There is no GPU {', '.join(missing)} here; the GPUs are numbered 0-{len(names) - 1}.")
    return "GPUs: " + ", ".join(names if gpus == "all" else [names[int(number)] for number in gpus.split(",")]) + "."


def _shares(joining: JoinFile, mappings: Sequence[PathMapping], config: Config) -> Iterator[str]:
    missing = []
    for mark in joining.marks if joining.share != "never" else ():
        if is_shared(mark, mappings, writable=True):
            yield f"{mark.folder} of the daemon is shared, and can be written to."
        elif joining.share == "auto":
            missing.append(mark.folder)
        else:
            raise ClusterError(
                f"{mark.folder} of the daemon is not here, or cannot be written to: mount it at the same path, or say "
                f"where it is with --path {mark.folder}=FOLDER."
            )
    if missing or joining.share == "never":
        yield f"{', '.join(missing) or 'No folder'} of the daemon is {'not ' * bool(missing)}shared: {_sent(config)}"


def _sent(config: Config) -> str:
    """What is kept here of sources. Raises ClusterError: nothing can be."""
    setup = depot_setup(config.paths.state, config.cluster.cache_gb, config.jobs.min_free_mb)
    folder = Path(setup["folder"])
    # It is made by who uses it: this may be looked at by root.
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise ClusterError(f"{there} cannot be written to, and sources are to be kept in {folder}; check who may.")
    free = free_bytes(there)
    if free < setup["spare"]:
        raise ClusterError(f"{there}, for copies of sources, has {free >> 20} MiB free; free some.")
    return (
        f"sources are sent here, up to {config.cluster.cache_gb:g} GB are kept in {folder}, {free >> 30} GiB are free."
    )


def _models(wanted: Mapping[str, str], config: Config) -> Iterator[str]:
    from seedvr2.catalogue.folder import installed_models
    from seedvr2.catalogue.hashes import checked_sha256
    from seedvr2.commands import command

    here = {model.name: model.path for model in installed_models(config.paths.models)}
    for name, sha256 in sorted(wanted.items()):
        if name not in here:
            yield f"The model {name} is not here; jobs with it run elsewhere until: {command('models', 'pull', name)}"
        elif sha256 and checked_sha256(here[name]) != sha256:
            yield f"The model {name} is another file here ({here[name]}); jobs with it run elsewhere."
        else:
            yield f"The model {name} is here."
