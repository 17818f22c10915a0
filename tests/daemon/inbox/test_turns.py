"""Whose turn it is: no file keeps those behind it waiting for long."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.inbox import turns
from daemon.inbox.intake import Answer, Verdict
from daemon.inbox.scan import Scanner
from daemon.inbox.turns import Turns
from tests.daemon.conftest import Start, eventually, make_config, picture
from tests.daemon.inbox.trees import put


class Taking:
    """An intake that answers as a test says, and takes a while over some files."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.slow: set[str] = set()
        self.suspects: Any = SimpleNamespace(ends=lambda *_: 0, keep_only=lambda _: None)

    def take(self, found: Any, *, incomplete: bool) -> Answer:
        del incomplete
        self.asked.append(found.path.name)
        if found.path.name in self.slow:
            time.sleep(0.03)
        return Answer(Verdict.WAIT, "not yet")


def made(tmp_path: Path, intake: Taking, **more: str) -> tuple[Turns, Scanner]:
    config = make_config(tmp_path, SEEDVR2_INBOX_SETTLE_S="0", **more)
    after: Any = SimpleNamespace()
    return Turns(config, intake, after, after, lambda: True), Scanner(config.paths.inbox)  # type: ignore[arg-type]


def test_after_a_slow_file_the_folder_is_looked_at_again_and_that_file_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SLOW_S", 0.02)
    monkeypatch.setattr("daemon.inbox.settle.Settler.postpone", lambda self, path, now: _at_once(self, path, now))
    intake = Taking()
    intake.slow = {"a.png", "b.png"}
    whose, scanner = made(tmp_path, intake)
    for name in ("a.png", "b.png", "c.png"):
        put(tmp_path / "inbox" / name)
    whose.take(list(scanner.scan()), lambda: False)
    assert intake.asked == ["a.png"]
    put(tmp_path / "inbox" / "0.png")
    whose.take(list(scanner.scan()), lambda: False)
    assert intake.asked == ["a.png", "0.png", "b.png"]
    whose.take(list(scanner.scan()), lambda: False)
    assert intake.asked[3] == "c.png"


def _at_once(settler: Any, path: Path, now: float) -> None:
    settler._files[path].retries += 1
    settler._files[path].retry_at = now


@pytest.mark.parametrize("name", ["clip.f137.mp4", "clip.f251.webm", "clip.f140-drc.m4a", "clip.fhls-1080.mp4"])
def test_a_track_of_a_download_is_not_tried_while_it_may_be_joined(tmp_path: Path, name: str) -> None:
    intake = Taking()
    whose, scanner = made(tmp_path, intake, SEEDVR2_INBOX_GIVE_UP_S="3600")
    put(tmp_path / "inbox" / name)
    put(tmp_path / "inbox" / "other.f1x.mp4")
    whose.take(list(scanner.scan()), lambda: False)
    assert intake.asked == ["other.f1x.mp4"]


@pytest.mark.parametrize("beside", ["clip.f251.webm.part", "clip.f251.webm.ytdl", "clip.f251.webm.part-Frag3"])
def test_it_waits_while_something_beside_it_shows_that_the_download_goes_on(tmp_path: Path, beside: str) -> None:
    intake = Taking()
    whose, scanner = made(tmp_path, intake, SEEDVR2_INBOX_GIVE_UP_S="0")
    put(tmp_path / "inbox" / "clip.f137.mp4")
    part = put(tmp_path / "inbox" / beside)
    whose.take(list(scanner.scan()), lambda: False)
    assert intake.asked == []
    # What was left by a download that ended long ago.
    os.utime(part, (time.time() - 7200, time.time() - 7200))
    whose._settler._files.clear()
    whose.take(list(scanner.scan()), lambda: False)
    assert intake.asked == ["clip.f137.mp4"]


def test_a_file_that_is_called_like_a_track_is_made_in_the_end(start: Start) -> None:
    running = start()
    picture(running.inbox / "holiday.f137.webm")
    eventually((running.inbox / "_done" / "holiday.f137.webm").exists)
