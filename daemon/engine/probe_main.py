"""The process that looks into files of strangers: `python -m daemon.engine.probe_main FD`, started by `probers.py`.

It knows no torch, so that it is small and soon there.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daemon.engine.channel import Channel
from daemon.engine.decoding import look_into
from daemon.engine.faults import as_fault
from daemon.engine.messages import VERSION, DeviceReport, LetIn, Looked, Need, Probe, ProtocolError, Ready
from daemon.engine.serving import beat, connect, messages, starting


def main() -> None:
    """Answer one question after the other until the pipe ends."""
    channel, _ = connect()
    with starting(channel):
        importlib.import_module("seedvr2.media")
        need: Any = importlib.import_module("seedvr2.media.need")
    beat(channel, lambda: None)
    channel.send(Ready(VERSION, DeviceReport()))
    path = Path()
    for message in messages(channel):
        match message:
            case Probe(id=number):
                path = Path(message.path)
                _answer(channel, number, lambda number=number, path=path: Need(number, need.decoding_need(path)))
            case LetIn(id=number):
                _answer(channel, number, lambda number=number, path=path: Looked(number, **asdict(look_into(path))))
            case _:
                raise ProtocolError(f"no question for this process: {message}")


def _answer(channel: Channel, number: int, ask: Any) -> None:
    try:
        answer = ask()
    except Exception as error:
        # The boundary of the process: whatever is wrong with a file, the next one is looked into.
        answer = as_fault(number, error)
    channel.send(answer)


if __name__ == "__main__":
    main()
