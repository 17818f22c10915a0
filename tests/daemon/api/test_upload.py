"""Uploads: streamed once to their place, bounded in memory, and gone when anything is wrong."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from daemon.api.form import Upload
from tests.daemon.api.raw import exchange, form, json_of, post, read_answer, status_of
from tests.daemon.conftest import Running, Start, eventually, png

FILE = 'name="file"; filename="a.png"'


def left_over(running: Running) -> list[Path]:
    while True:
        # A folder that goes while it is being listed is no answer yet.
        with contextlib.suppress(FileNotFoundError):
            return list(running.service.context.uploads.rglob("*"))


def test_the_file_arrives_byte_for_byte_and_is_hashed(running: Running) -> None:
    content = png(size=(300, 200))
    job = running.service.store.get(running.submit("x.png", content))
    assert job is not None
    assert Path(job.draft.source).read_bytes() == content
    assert job.draft.sha256 == hashlib.sha256(content).hexdigest()
    assert Path(job.draft.source).stat().st_dev == running.inbox.stat().st_dev


def test_a_chunked_body_is_taken_too(running: Running) -> None:
    body = form([('name="seed"', b"7"), (FILE, png())])
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:50], body[50:]))
    answer = exchange(running.service.api.port, post(chunks + b"0\r\n\r\n", "Transfer-Encoding: chunked"))
    assert status_of(answer) == 200
    job = running.service.store.get(json_of(answer)["task_id"])
    assert job is not None
    assert job.draft.options["seed"] == 7


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\Users\\x\\фото.png", "фото.png"),
        (".hidden.png", "hidden.png"),
        ("a\tb\x7f.png", "a_b_.png"),
        ("e\u0301.png", "\u00e9.png"),
        ("長" * 200 + ".png", "長" * 83 + ".png"),
        ("..", "upload"),
        ("../..", "upload"),
        ("/", "upload"),
        ("d/" * 1000 + "deep.png", "deep.png"),
        ("folder with a name/" * 800 + "deeper.png", "deeper.png"),
        ("n" * 10_000 + ".png", "n" * 251 + ".png"),
        ("n.png" * 1000, "n.png" * 50 + "n.png"),
        ("a\u202egnp.exe", "a_gnp.exe"),
        ("con:aux|*?.png", "con:aux|*?.png"),
    ],
)
def test_names_are_made_safe(running: Running, name: str, expected: str) -> None:
    body = form([(f'name="file"; filename="{name}"'.replace("\\", "\\\\"), png())])
    answer = exchange(running.service.api.port, post(body))
    job = running.service.store.get(json_of(answer)["task_id"])
    assert job is not None
    assert job.draft.original_filename == expected
    assert Path(job.draft.source).resolve().is_relative_to(running.service.context.uploads.resolve())
    running.finished(job.id)
    assert all(len(os.fsencode(each.name)) <= 255 for each in running.results())


@pytest.mark.parametrize(
    ("name", "expected"),
    [(b"a\0b.png", "a_b.png"), (b"\xff\xfe.png", "\ufffd" * 2 + ".png"), (b"\xed\xa0\x80.png", "\ufffd" * 3 + ".png")],
    ids=["NUL", "no UTF-8", "surrogate"],
)
def test_names_that_are_no_text_are_made_one(running: Running, name: bytes, expected: str) -> None:
    body = form([(FILE, png())]).replace(b"a.png", name)
    job_id = json_of(exchange(running.service.api.port, post(body)))["task_id"]
    assert running.finished(job_id)["original_filename"] == expected


def test_the_record_is_there_before_the_upload_gets_its_name(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool, list[str]]] = []
    claim = Upload.claim

    def watched(upload: Upload) -> None:
        (job,) = running.service.store.open_jobs()
        arrived = [each.name for each in running.service.context.uploads.iterdir() if each.is_dir()]
        seen.append((job.draft.source, Path(job.draft.source).exists(), arrived))
        claim(upload)

    monkeypatch.setattr(Upload, "claim", watched)
    job_id = running.submit()
    ((source, there, arrived),) = seen
    assert not there
    assert arrived == [f".{Path(source).parent.name}"]
    assert re.fullmatch(r"[0-9a-f]{16}", Path(source).parent.name)
    assert running.finished(job_id)["status"] == "completed"
    assert Path(source).is_file()


def test_a_header_of_a_part_without_end_is_refused_and_leaves_nothing(running: Running) -> None:
    body = form([(f'name="file"; filename="{"n" * 100_000}.png"', png())])
    answer = exchange(running.service.api.port, post(body))
    assert status_of(answer) == 400
    assert left_over(running) == []


@pytest.mark.parametrize(
    "path",
    [
        "/" + "d/" * 1000,
        "/static/" + "../" * 1000 + "etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/a%00b.js",
        "/static/" + "n" * 300,
        "/api/status/" + "n" * 5000,
        "/api/download/..%2f..%2fetc%2fpasswd",
        "/api/source/%00",
        "/api/download/" + "%F0%9F%98%80" * 300,
    ],
)
def test_paths_that_nobody_asks_for_are_404(running: Running, path: str) -> None:
    answer = exchange(running.service.api.port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert status_of(answer) == 404
    assert json_of(answer)["error"]


def test_over_the_limit_is_413_and_leaves_nothing(start: Start) -> None:
    running = start(SEEDVR2_SERVER_MAX_UPLOAD_MB="1")
    answer = running.post("/api/process", files={"file": ("a.png", b"x" * (3 << 20))})
    assert answer.status_code == 413
    assert "1 MiB" in answer.json()["error"]
    body = form([(FILE, b"x" * (1 << 20) + b"yy")])
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    answer2 = exchange(running.service.api.port, post(chunked, "Transfer-Encoding: chunked"))
    assert status_of(answer2) == 413
    assert left_over(running) == []


def test_a_huge_upload_is_refused_before_its_body(start: Start) -> None:
    running = start(SEEDVR2_SERVER_MAX_UPLOAD_MB="1")
    answer = exchange(running.service.api.port, post(b"", "Expect: 100-continue", length=1 << 40))
    assert status_of(answer) == 413


def test_no_room_on_the_disk_is_507(start: Start) -> None:
    running = start(SEEDVR2_JOBS_MIN_FREE_MB=str(1 << 40))
    answer = running.post("/api/process", files={"file": ("a.png", png())})
    assert answer.status_code == 507
    assert left_over(running) == []


def test_a_body_for_another_route_is_limited(running: Running) -> None:
    answer = running.post("/api/models/switch", data=b" " * (2 << 20))
    assert answer.status_code == 413


def test_an_aborted_upload_leaves_nothing(running: Running) -> None:
    port = running.service.api.port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(post(form([(FILE, b"x" * 100_000)])[:50_000], length=100_000))
        eventually(lambda: [each for each in left_over(running) if each.is_file() and each.stat().st_size > 10_000])
    eventually(lambda: left_over(running) == [])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([('name="seed"', b"1")], "'file' is missing"),
        ([('name="file"', b"text")], "must hold a file"),
        ([('name="file"; filename=""', b"")], "No file was chosen"),
        ([('name="video"; filename="a.mp4"', b"x")], "goes into the field 'file'"),
        ([(FILE, png()), (FILE, png())], "twice"),
        ([('name="seed"', b"1"), ('name="seed"', b"2"), (FILE, png())], "twice"),
        ([('name="seed"', b"1" * 10_000), (FILE, png())], "too long"),
        ([("x=1", b"1")], "no name"),
        ([(f'name="f{number}"', b"") for number in range(70)], "at most 64"),
    ],
)
def test_a_malformed_form_is_400_and_leaves_nothing(
    running: Running, parts: list[tuple[str, bytes]], said: str
) -> None:
    answer = exchange(running.service.api.port, post(form(parts)))
    assert status_of(answer) == 400
    assert said in json_of(answer)["error"]
    assert left_over(running) == []


def test_a_form_that_ends_in_the_middle_is_400(running: Running) -> None:
    body = form([(FILE, png())])[:-10]
    answer = exchange(running.service.api.port, post(body))
    assert status_of(answer) == 400
    assert "ends in the middle" in json_of(answer)["error"]
    assert left_over(running) == []


def test_a_body_that_is_no_form_is_400(running: Running) -> None:
    answer = running.post("/api/process", json={"file": "x"})
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json()["error"]


def test_a_large_upload_costs_no_memory(running: Running) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    total, piece = 96 << 20, b"\0" * (1 << 20)
    head, tail = form([(FILE, b"@@")]).split(b"@@")
    before = resident()
    with socket.create_connection(("127.0.0.1", running.service.api.port), timeout=30) as connection:
        connection.sendall(post(head, length=len(head) + total + len(tail)))
        for _ in range(total // len(piece)):
            connection.sendall(piece)
        assert resident() - before < 24 << 20
        connection.sendall(tail)
        assert status_of(read_answer(connection)) == 400
    assert left_over(running) == []


def test_a_hundred_uploads_at_once_are_all_taken(running: Running) -> None:
    running.executor.gate.clear()

    def send(number: int) -> int:
        files = {"file": (f"{number}.png", png())}
        return requests.post(f"{running.service.url}/api/process", files=files, timeout=30).status_code

    with ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(send, range(100)))
    assert statuses == [200] * 100
    assert len(running.service.store.open_jobs()) == 100
    assert len({job.id for job in running.service.store.open_jobs()}) == 100


def test_idle_connections_and_slow_uploads_do_not_starve_the_others(running: Running) -> None:
    port = running.service.api.port
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    stop = threading.Event()
    try:
        for connection in slow:
            connection.sendall(post(b"--XX", length=1000))
        assert running.get("/health").status_code == 200
        running.finished(running.submit())
    finally:
        stop.set()
        for connection in (*idle, *slow):
            connection.close()
