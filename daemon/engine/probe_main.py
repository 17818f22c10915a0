"""The process that looks into files of strangers: `python -m daemon.engine.probe_main FD`, started by `probers.py`.

It knows no torch, so that it is small and soon there.
"""

from __future__ import annotations

import importlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daemon.engine.channel import Channel
from daemon.engine.codec import ProtocolError
from daemon.engine.decoding import look_into
from daemon.engine.faults import as_fault
from daemon.engine.messages import (
    VERSION,
    DeviceReport,
    Draw,
    DrawFrame,
    Drawn,
    FrameDrawn,
    FromChild,
    LetIn,
    Looked,
    Need,
    Probe,
    Ready,
)
from daemon.engine.serving import beat, connect, messages, starting
from daemon.engine.stamp import draw
from daemon.engine.still import draw_frame

Question = Probe | Draw | DrawFrame
Answer = Looked | Drawn | FrameDrawn


def main() -> None:
    """Answer one question after the other until the pipe ends."""
    channel, _ = connect()
    with starting(channel):
        importlib.import_module("seedvr2.media")
        need: Any = importlib.import_module("seedvr2.media.need")
    beat(channel, lambda: None)
    channel.send(Ready(VERSION, DeviceReport()))
    asked: Question | None = None
    for message in messages(channel):
        match message:
            case Probe() | Draw() | DrawFrame():
                asked = message
                _answer(channel, asked, lambda asked: Need(asked.id, need.decoding_need(Path(asked.path))))
            case LetIn(id=number) if asked is not None and asked.id == number:
                _answer(channel, asked, _made)
            case _:
                raise ProtocolError(f"no question for this process: {message}")


def _made(asked: Question) -> Answer:
    path = Path(asked.path)
    if isinstance(asked, Probe):
        return Looked(asked.id, **asdict(look_into(path)))
    if isinstance(asked, DrawFrame):
        draw_frame(path, asked.at, (asked.width, asked.height), Path(asked.target))
        return FrameDrawn(asked.id)
    picture = draw(path, asked.kind, (asked.width, asked.height))
    return Drawn(asked.id, b64encode(picture).decode("ascii") if picture is not None else None)


def _answer(channel: Channel, asked: Question, make: Callable[[Question], Need | Answer]) -> None:
    answer: FromChild
    try:
        answer = make(asked)
    except Exception as error:
        # The boundary of the process: whatever is wrong with a file, the next one is looked into.
        answer = as_fault(asked.id, error)
    channel.send(answer)


if __name__ == "__main__":
    main()
