"""What every command line does about the terminal: a reader that has gone, a full disk behind `>`, names with `_`."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

# What a shell answers for a process that a signal ended.
STOPPED = 128 + signal.SIGINT
NOBODY_READS = 128 + signal.SIGPIPE


def written(command: Callable[[], int], name: str) -> int:
    """The exit status of `command`, once all that it printed has been written.

    Whoever reads may have seen enough (`| head`): that is no error to tell of, but an end. `name` is the program's.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold bytes that are no characters; they are written as they are.
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        try:
            return command()
        finally:
            # Here, not when the interpreter ends: it would only complain.
            if sys.stdout is not None:  # a service may be started without
                sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout, sys.stderr)
        return NOBODY_READS
    except OSError as error:
        if error.filename is not None:
            raise
        _to_nowhere(sys.stdout)
        print(f"{name}: The output cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED


def with_hyphens(arguments: Sequence[str]) -> list[str]:
    """Arguments with `--batch_size`, as the parameter is called everywhere else, made `--batch-size`."""
    hyphened: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            return [*hyphened, *arguments[index:]]
        name, equals, value = argument.partition("=")
        hyphened.append((name.replace("_", "-") if name.startswith("--") else name) + equals + value)
    return hyphened


def _to_nowhere(*streams: TextIO) -> None:
    # What is still to be written would fail again when the interpreter ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
