"""`seedvr2d [--config FILE] [COMMAND]`: run the service, say how it is configured, or ask one that runs.

Exit status 2 means that somebody has to do something first, so that starting again is no use; 75 (EX_TEMPFAIL) that the
system refused a disk, a folder or the port, which may pass by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import signal
import sys
from pathlib import Path

from daemon.client.parser import add_commands as add_client_commands
from daemon.descriptors import raise_limit
from daemon.engine.start_checks import check_device, check_models
from daemon.errors import ClusterError, InstallError, ServiceError
from daemon.install.run import add_commands as add_install_commands
from daemon.machines.run import add_commands as add_machine_commands
from daemon.settings.config import Config, load_config
from seedvr2 import __version__
from seedvr2.terminal import with_hyphens, written

CONFIGURATION = 2
MAY_PASS = 75


def main(arguments: list[str] | None = None) -> int:
    """The command line; answers the exit status."""
    return written(lambda: _main(with_hyphens(sys.argv[1:] if arguments is None else arguments)), "seedvr2d")


def _main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    named = options.config or os.environ.get("SEEDVR2_CONFIG") or None
    file = Path(named) if named else None
    if options.client:
        from daemon.client.run import run as ask  # an HTTP client, which the service needs none of

        return ask(options, file)
    if options.install:
        return _install(options, file)
    raise_limit()
    try:
        config = load_config(file)
        if options.command == "check-config":
            status = _check_config(config)
            check_models(config)
            return status
        check_models(config)
        check_device(config)
        return _run(config)
    except ServiceError as error:
        _say(str(error))
        # What the system refused may pass; another daemon on the same folders or a damaged store waits for a person.
        return MAY_PASS if isinstance(error.__cause__, OSError) else CONFIGURATION
    except BrokenPipeError:
        raise
    except OSError as error:
        _say(f"The system refuses what is needed to start: {error}.")
        return MAY_PASS


def _install(options: argparse.Namespace, file: Path | None) -> int:
    try:
        options.install(options, file)
    except (InstallError, ClusterError) as error:
        _say(str(error))
        return 1
    except ServiceError as error:
        _say(str(error))
        return CONFIGURATION
    return 0


def _run(config: Config) -> int:
    # Imported here: check-config needs none of it.
    from daemon.outside import logs
    from daemon.service import Service
    from daemon.settings.show_config import exposed

    # `kill -USR1` shows what every thread is doing, in a process that seems to hang.
    faulthandler.register(signal.SIGUSR1)
    logs.set_up(config.logging.level, config.logging.format)
    for warning in (*config.warnings, *exposed(config)):
        _say(warning)
    Service(config).run()
    return 0


def _check_config(config: Config) -> int:
    from daemon.settings.show_config import describe

    print(describe(config))
    return 0


def _say(text: str) -> None:
    # Standard error may be closed or on a full disk; the exit status still tells.
    with contextlib.suppress(OSError, ValueError):
        print(f"seedvr2d: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seedvr2d", description="Upscales what is dropped into a folder, and serves a REST API."
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file (default: config.toml here, in ~/.config/seedvr2d or in /etc/seedvr2d)",
    )
    parser.set_defaults(client=None, install=None)
    parser.add_argument("--version", action="version", version=f"seedvr2d {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the service (the default)")
    commands.add_parser("check-config", help="print the effective settings, where each comes from, and the errors")
    add_install_commands(commands)
    add_machine_commands(commands)
    add_client_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
