"""`python -m daemon [--config FILE] [check-config]`: run the service, or say how it is configured.

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

from daemon.descriptors import raise_limit
from daemon.engine.start_checks import check_device, check_models
from daemon.errors import ServiceError
from daemon.settings.config import Config, load_config
from seedvr2 import __version__

CONFIGURATION = 2
MAY_PASS = 75


def main(arguments: list[str] | None = None) -> int:
    """The command line; answers the exit status."""
    raise_limit()
    options = _parser().parse_args(arguments)
    named = options.config or os.environ.get("SEEDVR2_CONFIG") or None
    try:
        config = load_config(Path(named) if named else None)
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
    except OSError as error:
        _say(f"The system refuses what is needed to start: {error}.")
        return MAY_PASS


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
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: config.toml here, if any)")
    parser.add_argument("--version", action="version", version=f"seedvr2d {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the service (the default)")
    commands.add_parser("check-config", help="print the effective settings, where each comes from, and the errors")
    return parser


if __name__ == "__main__":
    sys.exit(main())
