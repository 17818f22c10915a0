"""What is done on the head: a cluster is founded, machines are added and removed, secrets made anew."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from daemon.cluster import members
from daemon.cluster.addresses import address_of, shown_addresses
from daemon.cluster.certificates import Identity, issue, new_authority, new_issuer
from daemon.cluster.head import secrets_folder
from daemon.cluster.secrets import (
    CA,
    CA_KEY,
    NEEDED,
    NODE,
    NODE_KEY,
    TOKEN,
    check_secrets,
    make_folder,
    new_token,
    write_secret,
)
from daemon.cluster.share import Mark, leave_mark
from daemon.errors import ClusterError
from daemon.machines.join_file import JoinFile
from daemon.machines.versions import versions
from daemon.settings.config import Config


def found(config: Config) -> Path:
    """Make the secrets of a new cluster; answers their folder. Raises ClusterError: there are some already."""
    address_of(config)
    folder = secrets_folder(config.cluster, config.paths.state)
    make_folder(folder)
    present = [name for name in (*NEEDED, CA_KEY) if (folder / name).exists()]
    if present:
        raise ClusterError(f"{folder / present[0]} is there already; `seedvr2d cluster rotate` makes new secrets.")
    _make_secrets(config, folder)
    return folder


def added(config: Config, name: str) -> JoinFile:
    """Put a machine on the list; what it gets to join with. Raises ClusterError."""
    members.check_name(name)
    host, port = address_of(config)
    folder = secrets_folder(config.cluster, config.paths.state)
    check_secrets(folder, (*NEEDED, CA_KEY))
    authority = Identity((folder / CA).read_bytes(), (folder / CA_KEY).read_bytes())
    issuer = new_issuer(authority, name)
    made = JoinFile(
        name=name,
        address=host,
        port=port,
        lost_s=config.cluster.lost_s,
        authority=authority.chain.decode("ascii"),
        issuer=issuer.chain.decode("ascii"),
        issuer_key=issuer.key.decode("ascii"),
        token=(folder / TOKEN).read_text("ascii"),
        versions=versions(),
        models=_models(config),
        marks=tuple(_marks(config)),
        share=config.cluster.share,
    )
    members.add(folder, name)
    return made


def rotated(config: Config, target: Path | None) -> list[Path]:
    """New secrets for all; answers the files that were written to `target`, one for each machine.

    What had been given out is worth nothing once the daemon has been started again.

    Raises:
        ClusterError: there is no cluster, or a file cannot be written.
    """
    folder = secrets_folder(config.cluster, config.paths.state)
    check_secrets(folder, (CA_KEY,))
    address_of(config)
    if target is not None:
        # Made and checked before anything changes.
        make_folder(target)
    _make_secrets(config, folder)
    if target is None:
        return []
    files = []
    for name in members.machines(folder):
        write_secret(target, f"{name}.join", added(config, name).text().encode("ascii"))
        files.append(target / f"{name}.join")
    return files


def _make_secrets(config: Config, folder: Path) -> None:
    host, _ = address_of(config)
    authority = new_authority()
    node = issue(authority, socket.gethostname(), shown_addresses(host))
    for name, data in ((CA_KEY, authority.key), (CA, authority.chain), (NODE_KEY, node.key), (NODE, node.chain),
                       (TOKEN, new_token())):  # fmt: skip
        write_secret(folder, name, data)


def _models(config: Config) -> dict[str, str]:
    """The models here, by what is known of them; none is read for that."""
    from seedvr2.catalogue.folder import installed_models
    from seedvr2.catalogue.hashes import known_sha256

    return {model.name: known_sha256(model.path) or "" for model in installed_models(config.paths.models)}


def _marks(config: Config) -> list[Mark]:
    """Of all folders with sources and results that are there."""
    paths = config.paths
    uploads = paths.state / "uploads" if paths.uploads == Path() else paths.uploads
    marks = []
    for folder in (paths.outputs, paths.inbox, uploads):
        # One that is missing, or on a disk that is away, is looked at by the places themselves.
        with contextlib.suppress(OSError):
            if folder.is_dir():
                marks.append(leave_mark(folder))
    return marks
