"""The commands of this room, and their arguments."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from daemon.install.service import install, uninstall
from daemon.install.template import FOLDERS, write_configuration
from seedvr2.standard_folders import CONFIG_NAME, user_config, user_data


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; `install` in the result is what to call with the arguments and the named configuration."""
    init = commands.add_parser("init", help="write a commented configuration for this user")
    init.set_defaults(install=_init)
    for name, text, call in (
        ("install-service", "have systemd start the daemon: for the machine (root), or --user", _install),
        ("uninstall-service", "have systemd no longer do so; folders and configuration stay", _uninstall),
    ):
        parser = commands.add_parser(name, help=text)
        parser.add_argument("--user", action="store_true", help="a service of this user, without root")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.set_defaults(install=call)


def _init(_arguments: argparse.Namespace, file: Path | None) -> None:
    file = file or user_config(os.environ) / CONFIG_NAME
    data = user_data(os.environ)
    write_configuration(file, {name: data / name for name in FOLDERS})
    print(f"{file} is written. The inbox is {data / 'inbox'}, results go to {data / 'outputs'}.")


def _install(arguments: argparse.Namespace, _file: Path | None) -> None:
    install(os.environ, user=arguments.user, dry_run=arguments.dry_run)


def _uninstall(arguments: argparse.Namespace, _file: Path | None) -> None:
    uninstall(os.environ, user=arguments.user, dry_run=arguments.dry_run)
