"""What the service runs on and what it said last, without its secrets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.api.redact import Secrets
from daemon.outside.logs import TAIL, Tail
from daemon.store.space import Space
from tests.daemon.conftest import Start, make_config

TOKEN, KEY = "a-long-secret", "hmac-key-1"


@pytest.fixture
def tail() -> Iterator[None]:
    logger = logging.getLogger()
    logger.addHandler(TAIL)
    yield
    logger.removeHandler(TAIL)


def test_the_log_has_no_secret_and_no_folder_and_needs_the_token(start: Start, tail: None) -> None:
    running = start(SEEDVR2_SERVER_TOKEN=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert running.get("/api/log").status_code == running.get("/api/system").status_code == 401
    log = logging.getLogger("daemon.test")
    log.setLevel(logging.INFO)
    log.warning("asked with %s for %s/a.png", TOKEN, running.outputs)
    log.info("said\nin two lines")
    lines = running.get("/api/log?lines=1000", headers=bearer).json()["lines"]
    told = [line for line in lines if line["logger"] == "daemon.test"]
    assert [(line["level"], line["message"]) for line in told] == [
        ("warning", "asked with *** for outputs/a.png"),
        ("info", "said\\x0ain two lines"),
    ]
    serious = running.get("/api/log?level=warning", headers=bearer).json()["lines"]
    assert {line["level"] for line in serious} <= {"warning", "error", "critical"} and told[0] in serious
    assert len(running.get("/api/log?lines=1", headers=bearer).json()["lines"]) == 1
    assert running.get("/api/log?lines=many", headers=bearer).json()["detail"] == {"field": "lines"}


def test_the_folders_have_room_and_one_that_is_not_there_says_so(start: Start) -> None:
    running = start()
    answer = running.get("/api/system").json()
    rooms = {each["name"]: each for each in answer["folders"]}
    assert rooms["outputs"]["path"] == str(running.outputs)
    assert 0 < rooms["outputs"]["free_bytes"] <= rooms["outputs"]["total_bytes"]
    assert rooms["outputs"]["problem"] is None
    assert (rooms["models"]["free_bytes"], rooms["models"]["problem"]) == (
        None,
        "not there yet; the first download makes it",
    )
    assert {"torch", "av"} <= {each["name"] for each in answer["libraries"]}


def test_a_disk_that_does_not_answer_holds_up_nobody_and_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = [], threading.Event()
    real = __import__("shutil").disk_usage

    def slow(folder: Path) -> object:
        asked.append(folder)
        if folder.name == "share":
            answers.wait(30)
        return real(tmp_path)

    monkeypatch.setattr("daemon.store.space.shutil.disk_usage", slow)
    space = Space({"share": tmp_path / "share", "disk": tmp_path}, patience_s=0.05)
    for _ in range(3):
        rooms = space.look()
        assert rooms["share"].problem == "its disk or network share does not answer"
        assert rooms["disk"].free
    assert asked.count(tmp_path / "share") == 1
    answers.set()
    space._asking["share"].join(10)
    assert space.look()["share"].free


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"signed with {KEY}", "signed with ***"),
        ("to https://hooks.example.org/services/T0AB1234 failed", "to https://hooks.example.org/services/*** failed"),
        ("ntfy://me:pa55word@ntfy.example.org", "ntfy://***@ntfy.example.org"),
        ("GET https://x.example/?a=1&access_token=abc123&b=2", "GET https://x.example/?a=1&access_token=***&b=2"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("with hf_AbCdEfGhIjKl", "with ***"),
        ("env-secret-99 was used", "*** was used"),
        ("the webhook was told; basic settings hold", "the webhook was told; basic settings hold"),
        ("4 frames of clip.mp4: seed=42", "4 frames of clip.mp4: seed=42"),
    ],
)
def test_secrets_of_the_configuration_and_what_looks_like_one(tmp_path: Path, line: str, shown: str) -> None:
    config = make_config(
        tmp_path,
        SEEDVR2_WEBHOOK_SECRET=KEY,
        SEEDVR2_WEBHOOK_URL="https://hooks.example.org/services/T0AB1234",
    )
    secrets = Secrets(config, {"MY_API_KEY": "env-secret-99", "PATH": "clip.mp4"})
    assert secrets(line) == shown


def test_the_tail_keeps_so_many_lines() -> None:
    tail = Tail(3)
    for number in range(5):
        tail.emit(logging.makeLogRecord({"levelno": 20, "levelname": "INFO", "msg": "line %d", "args": (number,)}))
    assert [line.message for line in tail.last(10)] == ["line 2", "line 3", "line 4"]
    assert tail.last(10, logging.WARNING) == []
