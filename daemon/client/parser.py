"""The commands and their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.jobs.parameters import JOB_PARAMETERS
from seedvr2.arguments import add_parameters

EXIT_CODES = (
    "Exit status: 0 done; 1 refused, or a task has failed; 2 the command, a value or a file is wrong; "
    "3 no daemon answers; 4 there is no such task or model; 130 stopped."
)


def asking_parser() -> argparse.ArgumentParser:
    """The arguments of each command that asks a running daemon."""
    asking = argparse.ArgumentParser(add_help=False)
    asking.add_argument("--url", help="address of the daemon (default: SEEDVR2D_URL, else as configured)")
    asking.add_argument("--json", action="store_true", help="print JSON, errors too: {\"error\": …}")  # fmt: skip
    return asking


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add all commands that ask a running daemon; `client` in the result names the command."""
    asking = asking_parser()

    def command(name: str, text: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(name, help=text, parents=[asking], epilog=EXIT_CODES)
        parser.set_defaults(client=name)
        return parser

    listing = command("ps", "the tasks that run and wait")
    listing.add_argument("--all", action="store_true", help="and those that have ended, newest first")

    submitting = command("submit", "send pictures and videos")
    submitting.add_argument("files", nargs="+", type=Path, metavar="FILE")
    submitting.add_argument("--wait", action="store_true", help="until they are done; 1 if one fails")
    submitting.add_argument("--download", type=Path, metavar="FOLDER", help="wait, and put the results there")
    submitting.add_argument(
        "--preset", metavar="NAME", help="for all that is not said here; `seedvr2d presets` lists them"
    )
    add_parameters(submitting, JOB_PARAMETERS)

    planning = command("plan", "what pictures and videos would take here, without doing them; 1 if one does not fit")
    planning.add_argument("files", nargs="+", type=Path, metavar="FILE")
    planning.add_argument(
        "--preset", metavar="NAME", help="for all that is not said here; `seedvr2d presets` lists them"
    )
    add_parameters(planning, JOB_PARAMETERS)

    command("presets", "the presets: named sets of parameters, for --preset")

    status = command("status", "how the daemon is, or a task")
    status.add_argument("task", nargs="?", metavar="ID")
    status.add_argument("--wait", action="store_true", help="until the task has ended; 1 if it fails")

    for name, text in (
        ("cancel", "cancel tasks that wait or run"),
        ("retry", "run failed or cancelled tasks again, as new ones"),
    ):
        command(name, text).add_argument("tasks", nargs="+", metavar="ID")

    pulling = command("pull", "have the daemon fetch models")
    pulling.add_argument("models", nargs="+", metavar="MODEL", help="a file name, or short: 3b-fp8")
    pulling.add_argument("--machine", metavar="NAME", help="of the cluster, to have them fetched there")
    pulling.add_argument("--detach", action="store_true", help="do not wait until they are there")

    logs = command("logs", "what became of tasks, oldest first; the daemon's own log is in the journal")
    logs.add_argument("task", nargs="?", metavar="ID")
    logs.add_argument("-f", "--follow", action="store_true", help="and go on with what happens")
    logs.add_argument("-n", "--lines", type=int, default=20, metavar="N", help="so many tasks (default 20)")

    command("unload", "take the model out of memory")
    pausing = command("pause", "begin no further task; a running video stops at the end of a segment")
    pausing.add_argument("--now", action="store_true", help="stop the running task within seconds; it goes on later")
    command("resume", "go on with the queue")
