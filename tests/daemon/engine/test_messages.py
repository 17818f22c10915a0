"""What travels through the pipe, and what does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from daemon.engine import messages as say
from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.codec import ProtocolError
from daemon.engine.faults import as_error, as_fault
from daemon.errors import CardFullError, EngineBugError, EngineDiedError
from daemon.store.safe_open import SwappedError
from seedvr2 import errors

SAMPLES = [
    say.Run(1, "/in/a\udcff.png", "/out/照片.png", {"resolution": 96, "tf32": False}, "", "/keep"),
    say.Preview(
        2, "/in.mp4", "/previews/0", {"seed": 1}, {"at": 1.5, "crop": "auto", "strengths": [0.5]}, "nano", None
    ),
    say.Previewed(2, "nano", {"images": [{"name": "plain.png", "strength": 0.0}], "crop": None}),
    say.Progress(1, "decoding", 3, None, None),
    say.Progress(1, "decoding", 3, 9, 1.0),
    say.Progress(1, "decoding", 3, 9, 1.0, 1, 3, 0.5),
    say.GiveWay(1, wanted=True),
    say.Ready(say.VERSION, say.DeviceReport("cuda", name="RTX")),
    say.Listed(2, [{"name": "nano", "error": None}]),
    say.Looked(3, "video", 64, 48, 6, 25.0, 1, "", ["mp4", "mkv"], 10, True),
    say.Foresee(4, {"kind": "video"}, {"scale": 2.0}, "", ".mp4", 10, False),
    say.Foreseen(4, {"fits": True, "why": None}),
    say.Fault(4, "MachineError", "no\nroom", 28),
    say.Beat(None),
]


@pytest.fixture
def pipe() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


def test_a_field_of_another_type_ends_the_call_and_not_the_other_end(pipe: tuple[Channel, socket.socket]) -> None:
    channel, theirs = pipe
    with pytest.raises(TypeError, match="everything=None"):
        channel.send(say.ListModels(1, None))  # type: ignore[arg-type]
    channel.send(say.ListModels(1, False))
    assert Channel(theirs).receive() == say.ListModels(1, False)


def test_messages_arrive_as_they_were_sent(pipe: tuple[Channel, socket.socket]) -> None:
    channel, theirs = pipe
    other = Channel(theirs)
    for message in SAMPLES:
        other.send(message)
    assert [channel.receive() for _ in SAMPLES] == SAMPLES
    assert channel.receive(0.01) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Segmentation fault",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"is": "Exec", "code": "1"}',
        b'{"is": "Beat"}',
        b'{"is": "Beat", "model": 1}',
        b'{"is": "Beat", "model": null, "more": 1}',
        b'{"is": "Progress", "id": true, "stage": "", "done": 0, "total": null, "share": null}',
        b'{"is": "Ready", "version": 1, "device": []}',
        b'{"is": "Ready", "version": 1, "device": {"device": 7}}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_listed_is_no_message(pipe: tuple[Channel, socket.socket], line: bytes) -> None:
    channel, theirs = pipe
    sending = threading.Thread(target=theirs.sendall, args=(line + b"\n",))
    sending.start()
    with pytest.raises(ProtocolError):
        channel.receive(10)
    sending.join()


def test_half_a_message_is_the_end(pipe: tuple[Channel, socket.socket]) -> None:
    channel, theirs = pipe
    theirs.sendall(b'{"is": "Beat", ')
    assert channel.receive(0.01) is None
    theirs.close()
    with pytest.raises(ChannelClosedError):
        channel.receive()
    with pytest.raises(ChannelClosedError):
        for _ in range(3):
            channel.send(say.Beat(None))


@pytest.mark.parametrize(
    "error",
    [
        errors.OptionError("resolution", "resolution takes 16 to 16384."),
        errors.MediaError("a.png is damaged."),
        errors.TooLargeError("a.png is too large."),
        errors.MachineError("No room.", 28),
        errors.ModelNotInstalledError("Fetch it."),
        errors.OutOfMemoryError("Smaller, please."),
        errors.NeverFitsError("Never."),
        errors.Cancelled("Stopped."),
        FileNotFoundError(2, "No such file or directory", "/a"),
        OSError(28, "No space left on device"),
    ],
)
def test_errors_arrive_as_what_they_were(error: Exception) -> None:
    back = as_error(as_fault(1, error))
    assert type(back) is type(error) and str(back) == str(error)
    for name in ("errno", "name", "filename"):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_errors_that_change_their_class_on_the_way() -> None:
    assert type(as_error(as_fault(1, SwappedError("Replaced.")))) is errors.MediaError
    assert type(as_error(as_fault(1, MemoryError()))) is errors.OutOfMemoryError
    assert type(as_error(as_fault(1, errors.OutOfMemoryError("No."), others_mb=9))) is CardFullError
    assert type(as_error(as_fault(1, KeyError("x")))) is EngineBugError
    died = as_error(as_fault(1, RuntimeError("CUDA error: device-side assert triggered\nCompile with")))
    assert isinstance(died, EngineDiedError) and died.device
    assert str(died) == "the GPU failed (CUDA error: device-side assert triggered)"
