"""The commands of this room, and their arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from daemon.client.parser import asking_parser


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; `install` in the result is what to call with the arguments and the named configuration."""
    cluster = commands.add_parser("cluster", help="on the head of a cluster: its secrets and its machines")
    parts = cluster.add_subparsers(dest="part", metavar="PART", required=True)
    parts.add_parser("init", help="make a token and certificates").set_defaults(install=_init)
    adding = parts.add_parser("add", help="print the file that a machine joins with: add NAME > NAME.join")
    adding.add_argument("name", metavar="NAME")
    adding.set_defaults(install=_add)
    status = parts.add_parser("status", help="what each GPU of the cluster does", parents=[asking_parser()])
    status.set_defaults(client="cluster")
    parts.add_parser("list", help="the machines that were given a file").set_defaults(install=_list)
    removing = parts.add_parser("remove", help="take a machine off the list")
    removing.add_argument("name", metavar="NAME")
    removing.set_defaults(install=_remove)
    rotating = parts.add_parser(
        "rotate", help="make a new token and new certificates, so that old files are worth nothing"
    )
    rotating.add_argument("--files", type=Path, metavar="FOLDER", help="write NAME.join there for each machine")
    rotating.set_defaults(install=_rotate)

    joining = commands.add_parser("join", help="have this machine work for a cluster, with a file of `cluster add`")
    joining.add_argument("file", type=Path, metavar="FILE")
    joining.add_argument("--path", action="append", default=[], metavar="A=B", help="folder A of the daemon is B here")
    joining.add_argument("--gpus", default="all", help="all, or numbers such as 0,1 (default all)")
    joining.add_argument("--check", action="store_true", help="only look whether it can")
    joining.add_argument("--service", action="store_true", help="have systemd do it from now on (root, or with --user)")
    joining.add_argument("--user", action="store_true", help="a service of this user")
    joining.add_argument("--dry-run", action="store_true", help="with --service: only say what would be done")
    joining.set_defaults(install=_join)


# What they do needs cryptography, which takes a moment to import and nothing else of the service needs.


def _init(_arguments: argparse.Namespace, file: Path | None) -> None:
    from daemon.machines.founding import found
    from daemon.settings.config import load_config

    config = load_config(file)
    folder = found(config)
    print(f"The token and the certificates are in {folder}. Keep it to yourself: with it, anything can be run on every "
          "machine of the cluster.")  # fmt: skip
    if config.cluster.mode != "head":
        print('Set mode = "head" in [cluster].')
    print("Restart the daemon, then `seedvr2d cluster add NAME > NAME.join` for each machine.")


def _add(arguments: argparse.Namespace, file: Path | None) -> None:
    import os
    import stat

    from daemon.errors import ClusterError
    from daemon.machines.founding import added
    from daemon.settings.config import load_config

    status = os.fstat(sys.stdout.fileno())
    if sys.stdout.isatty():
        raise ClusterError(f"This is a secret for a file, not for a screen: seedvr2d cluster add {arguments.name} > "
                           f"{arguments.name}.join")  # fmt: skip
    text = added(load_config(file), arguments.name).text()
    if stat.S_ISREG(status.st_mode):
        # The shell made it, for everybody to read.
        os.fchmod(sys.stdout.fileno(), 0o600)
    sys.stdout.write(text)
    print(
        f"Carry the file over so that nobody else can read it, such as with `scp -p {arguments.name}.join MACHINE:`, "
        "and remove it here. There: seedvr2d join FILE",
        file=sys.stderr,
    )


def _list(_arguments: argparse.Namespace, file: Path | None) -> None:
    import time

    from daemon.cluster.head import secrets_folder
    from daemon.cluster.members import machines
    from daemon.settings.config import load_config

    config = load_config(file)
    for name, when in machines(secrets_folder(config.cluster, config.paths.state)).items():
        print(f"{name}  added {time.strftime('%Y-%m-%d %H:%M', time.localtime(when))}")


def _remove(arguments: argparse.Namespace, file: Path | None) -> None:
    from daemon.cluster.head import secrets_folder
    from daemon.cluster.members import remove
    from daemon.settings.config import load_config

    config = load_config(file)
    remove(secrets_folder(config.cluster, config.paths.state), arguments.name)
    print(
        f"{arguments.name} is off the list, and the daemon gives it no more work. End `seedvr2d join` there. It still "
        "has the token, with which anything can be run on every machine: if somebody else may have it, run `seedvr2d "
        "cluster rotate`."
    )


def _rotate(arguments: argparse.Namespace, file: Path | None) -> None:
    from daemon.machines.founding import rotated
    from daemon.settings.config import load_config

    files = rotated(load_config(file), arguments.files)
    print("New secrets are made. Restart the daemon now: until then the old ones count.")
    if arguments.files:
        print(f"{len(files)} files for the machines are in {arguments.files}; each joins anew with its own.")
    else:
        print("Each machine needs a new file: seedvr2d cluster add NAME > NAME.join.")


def _join(arguments: argparse.Namespace, file: Path | None) -> None:
    from daemon.cluster.share import PathMapping
    from daemon.errors import ClusterError
    from daemon.machines import node, service
    from daemon.machines.join_file import read_join_file
    from daemon.settings.config import GPUS, load_config

    if not GPUS.fullmatch(arguments.gpus):
        raise ClusterError(f"--gpus takes all, or numbers such as 0,1, not {arguments.gpus!r:.60}.")
    mappings = [PathMapping.parse(text) for text in arguments.path]
    if arguments.service:
        service.install(arguments.file, arguments.path, arguments.gpus, user=arguments.user, dry_run=arguments.dry_run)
        return
    config, joining = load_config(file), read_join_file(arguments.file)
    start = node.check(arguments.file, config, mappings, arguments.gpus, _say)
    if arguments.check:
        return
    status = node.run(start, joining.lost_s, _say)
    if status:
        sys.exit(status)


def _say(sentence: str) -> None:
    print(sentence, flush=True)
