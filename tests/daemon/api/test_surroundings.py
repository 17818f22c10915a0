"""Trouble of the machine: 503 or 507 with a sentence, never a 500, and nothing left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from daemon.api import form as form_module
from daemon.api import process, room
from daemon.api.redact import Redactor
from daemon.api.replies import as_request_error
from daemon.errors import StoreError
from daemon.settings.keys import PathSettings
from seedvr2.errors import MachineError, MediaError, NeverFitsError, OutOfMemoryError, TooLargeError
from tests.daemon.api.raw import exchange, form, json_of, post, status_of
from tests.daemon.api.test_upload import left_over
from tests.daemon.conftest import Running, Start, eventually, png

FILE = 'name="file"; filename="a.png"'
ERRORS = [
    (OSError(errno.ENOSPC, "No space left on device", "/srv/x"), 507, "full"),
    (OSError(errno.EDQUOT, "Quota exceeded"), 507, "full"),
    (OSError(errno.EROFS, "Read-only file system", "/srv/x"), 503, "read-only"),
    (OSError(errno.EIO, "Input/output error"), 503, "reports errors"),
    (PermissionError(errno.EACCES, "Permission denied", "/srv/x"), 503, "own folders"),
    (OSError(errno.EMFILE, "Too many open files"), 503, "too many files"),
    (OSError(errno.ENFILE, "Too many open files in system"), 503, "too many files"),
    (OSError(errno.ESTALE, "Stale file handle"), 503, "network share"),
    (OSError(errno.ETIMEDOUT, "Connection timed out"), 503, "does not answer"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/srv/x"), 503, "missing"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), 503, "memory"),
    (MemoryError(), 503, "memory"),
    (MachineError("a.png cannot be read: the disk reports errors.", errno.EIO), 503, "a.png cannot be read"),
    (MachineError("The disk is full.", errno.ENOSPC), 507, "full"),
    (OutOfMemoryError("Not enough memory at the moment."), 503, "at the moment"),
    (NeverFitsError("This needs more memory than there is."), 413, "more memory than there is"),
    (TooLargeError("a.png has more pixels than fit."), 413, "more pixels"),
    (StoreError("The state folder cannot be written."), 503, "state folder"),
    (MediaError("a.png is damaged."), 400, "damaged"),
]


@pytest.mark.parametrize(("error", "status", "said"), ERRORS, ids=lambda value: repr(value)[:40])
def test_each_error_is_answered_as_what_it_is(error: Exception, status: int, said: str) -> None:
    answer = as_request_error(error, "GET /x", Redactor(PathSettings()))
    assert answer.status == status
    assert said in str(answer)
    assert "/srv" not in str(answer)
    assert "unexpected" not in str(answer)
    assert ("Retry-After" in answer.headers) == (status == 503)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_arguments: object, **_more: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("where", ["probe", "digest", "sync", "claim", "submit"])
@pytest.mark.parametrize("index", [0, 2, 4, 5, 11, 14, 15], ids=lambda index: type(ERRORS[index][0]).__name__)
def test_an_upload_that_the_machine_refuses_leaves_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch, where: str, index: int
) -> None:
    error, status, said = ERRORS[index]
    target: Any = {
        "probe": running.executor,
        "digest": process,
        "sync": form_module.Upload,
        "claim": form_module.Upload,
        "submit": running.service.store,
    }[where]
    monkeypatch.setattr(target, {"submit": "add"}.get(where, where), raising(error))
    answer = running.post("/api/process", files={"file": ("a.png", png())})
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert left_over(running) == []
    assert running.service.store.open_jobs() == []
    monkeypatch.undo()
    running.finished(running.submit())


@pytest.mark.parametrize(
    ("number", "status"), [(errno.ENOSPC, 507), (errno.EROFS, 503), (errno.EIO, 503), (errno.EMFILE, 503)]
)
@pytest.mark.parametrize("when", ["mkdir", "open", "write"])
def test_a_disk_that_refuses_while_the_body_arrives(
    running: Running, monkeypatch: pytest.MonkeyPatch, when: str, number: int, status: int
) -> None:
    error = OSError(number, os.strerror(number), "/srv/secret/place")

    class Refusing:
        write = staticmethod(raising(error))

        def close(self) -> None:
            pass

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if running.service.context.uploads not in path.parents:
            return original(path, *arguments, **more)
        if when == "write":
            path.touch()
            return Refusing()
        raise error

    name = "mkdir" if when == "mkdir" else "open"
    original = getattr(Path, name)
    monkeypatch.setattr(form_module.Path, name, refuse)
    answer = exchange(running.service.api.port, post(form([(FILE, png())])))
    monkeypatch.undo()
    assert status_of(answer) == status
    assert "secret" not in json_of(answer)["error"]
    assert left_over(running) == []


def test_a_missing_uploads_folder_is_no_fault_of_the_client(running: Running) -> None:
    uploads = running.service.context.uploads
    for each in uploads.iterdir():
        each.unlink()
    # Where it cannot be made anew: something else has its name. The service may be making it just then.
    while not uploads.is_file():
        with suppress(FileNotFoundError, IsADirectoryError):
            uploads.rmdir()
            uploads.write_text("mine")
    answer = running.post("/api/process", files={"file": ("a.png", png())})
    assert answer.status_code == 503
    assert "missing" in answer.json()["error"]
    uploads.unlink()
    eventually(uploads.is_dir)
    running.finished(running.submit())


def chunked(body: bytes, piece: int = 1 << 20) -> bytes:
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def test_a_chunked_upload_does_not_take_the_last_of_the_disk(start: Start) -> None:
    running = start(SEEDVR2_JOBS_MIN_FREE_MB=str(1 << 40))
    body = post(chunked(form([(FILE, png())])), "Transfer-Encoding: chunked")
    for _ in range(2):
        answer = exchange(running.service.api.port, body)
        assert status_of(answer) == 507
        assert "full" in json_of(answer)["error"]
    assert left_over(running) == []


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "X-Plain: 1"])
def test_room_that_goes_while_the_body_arrives_ends_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    running = start(SEEDVR2_JOBS_MIN_FREE_MB="100")
    asked: list[int] = []

    def shrinking(_folder: Path) -> int:
        asked.append(1)
        return (1 << 40) if len(asked) < 3 else 50 << 20

    monkeypatch.setattr(room, "free_bytes", shrinking)
    monkeypatch.setattr(room, "FRESH_S", 3600.0)
    monkeypatch.setattr(form_module, "ASK_AGAIN_BYTES", 1 << 20)
    body = form([(FILE, b"x" * (8 << 20))])
    body = chunked(body) if header.startswith("Transfer") else body
    answer = exchange(running.service.api.port, post(body, header))
    assert status_of(answer) == 507
    assert left_over(running) == []
    assert len(asked) >= 3


def test_an_upload_that_cannot_fit_is_refused_before_its_body(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start(SEEDVR2_JOBS_MIN_FREE_MB="1")
    monkeypatch.setattr(room, "free_bytes", lambda _folder: 10 << 20)
    # The disk has been asked once.
    running.finished(running.submit())
    answer = exchange(running.service.api.port, post(b"", "Expect: 100-continue", length=1 << 30))
    assert status_of(answer) == 507


def test_memory_that_runs_out_in_a_route_is_503(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.executor, "models", raising(MemoryError()))
    answer = running.get("/api/models")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
