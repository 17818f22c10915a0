"""A file over which the service ended abruptly is tried again after all others and alone, and given up in the end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from daemon.inbox.settle import Settler
from daemon.inbox.suspects import MAX_ENDS
from daemon.jobs.job import Media
from tests.daemon.conftest import Start, eventually, picture
from tests.daemon.executors import FakeExecutor
from tests.daemon.inbox.test_suspects import kill_over
from tests.daemon.inbox.trees import put


class Watched(FakeExecutor):
    """Notes in which order files are looked into, and whether a job was running."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.probed: list[str] = []
        self.busy = False
        self.beside: list[str] = []

    def probe(self, path: Path) -> Media:
        self.probed.append(path.name)
        if self.busy:
            self.beside.append(path.name)
        return super().probe(path)

    def run(self, source: Path, target: Path, *more, **named):  # type: ignore[no-untyped-def]
        self.busy = True
        try:
            return super().run(source, target, *more, **named)
        finally:
            self.busy = False


@pytest.fixture
def killer(tmp_path: Path) -> Path:
    """A healthy file, first in order, over which the service was killed once."""
    clip = picture(tmp_path / "inbox" / "0" / "killer.png")
    (tmp_path / "state").mkdir()
    kill_over(tmp_path / "state", clip)
    return clip


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose turn had not come, each time."""
    delayed: list[Path] = []
    delay = Settler.delay
    monkeypatch.setattr(
        Settler, "delay", lambda settler, path, until: delayed.append(path) or delay(settler, path, until)
    )
    return delayed


def test_a_healthy_file_that_was_there_at_one_kill_is_made_last_and_alone(
    start: Start, killer: Path, delays: list[Path]
) -> None:
    for name in ("a.png", "b.png"):
        picture(killer.parent.parent / name, "blue")
    executor = Watched()
    executor.gate.clear()
    running = start(executor)
    assert executor.running.wait(60)
    # Nothing but the killer is left to look into, but one job runs and one waits.
    eventually(lambda: running.service.inbox.pending == 1)
    before = len(delays)
    eventually(lambda: len(delays) >= before + 2)
    assert executor.probed == ["a.png", "b.png"]
    executor.gate.set()
    eventually((running.inbox / "_done" / "0" / "killer.png").exists)
    assert executor.probed == ["a.png", "b.png", "killer.png"]
    assert "killer.png" not in executor.beside
    assert "killer" not in (running.config.paths.state / "suspects.json").read_text()


def test_it_waits_for_files_that_are_still_arriving(start: Start, killer: Path, delays: list[Path]) -> None:
    arriving, arrived = put(killer.parent.parent / "z.png"), threading.Event()

    def grow() -> None:
        while not arrived.wait(0.005):
            with arriving.open("a") as file:
                file.write("x")

    growing = threading.Thread(target=grow)
    growing.start()
    try:
        executor = Watched()
        running = start(executor)
        eventually(lambda: len(delays) >= 2)
        assert executor.probed == []
    finally:
        arrived.set()
        growing.join()
    eventually((running.inbox / "_done" / "0" / "killer.png").exists)
    assert executor.probed[0] == "z.png"


def test_a_file_that_waits_for_something_else_does_not_keep_it_waiting(start: Start, killer: Path) -> None:
    put(killer.parent.parent / "parked.png.toml", "resolutoin = 480")
    picture(killer.parent.parent / "parked.png")
    running = start()
    eventually((running.inbox / "_done" / "0" / "killer.png").exists)
    assert (running.inbox / "parked.png").exists()


def test_a_file_that_ended_the_process_too_often_is_put_aside(start: Start, tmp_path: Path, killer: Path) -> None:
    put(killer.with_name("killer.png.toml"), "seed = 1")
    for _ in range(MAX_ENDS - 1):
        kill_over(tmp_path / "state", killer)
    picture(tmp_path / "inbox" / "good.png")
    executor = Watched()
    running = start(executor)
    reason = running.inbox / "_failed" / "0" / "killer.png.error.txt"
    eventually(reason.exists)
    assert "ended abruptly 5 times" in reason.read_text()
    eventually((running.inbox / "_done" / "good.png").exists)
    assert "killer.png" not in executor.probed
    assert (running.inbox / "_failed" / "0" / "killer.png.toml").exists()
    # Put back, it is a file like any other.
    (running.inbox / "_failed" / "0" / "killer.png").rename(killer)
    eventually((running.inbox / "_done" / "0" / "killer.png").exists)


def test_a_new_version_starts_with_a_clean_slate(start: Start, tmp_path: Path, killer: Path) -> None:
    for _ in range(MAX_ENDS - 1):
        kill_over(tmp_path / "state", killer)
    picture(killer, "red", (64, 48))
    running = start()
    eventually((running.inbox / "_done" / "0" / "killer.png").exists)
