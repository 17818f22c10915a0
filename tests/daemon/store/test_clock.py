"""The clock that ages go by: it runs with the wall clock and does not jump with it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from daemon.store.clock import LONGEST_REST_S, ServiceClock

DAY_S = 86400.0


class Wall:
    """The clock on the wall, set by a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real = time.time
        monkeypatch.setattr("daemon.store.clock.time.time", lambda: real() + self.ahead)


def test_at_first_it_shows_the_wall_s_time(tmp_path: Path) -> None:
    assert abs(ServiceClock(tmp_path / "clock.json").now() - time.time()) < 60


@pytest.mark.parametrize("jump", [400 * DAY_S, -400 * DAY_S])
def test_a_jump_while_it_runs_does_not_move_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    wall = Wall(monkeypatch)
    clock = ServiceClock(tmp_path / "clock.json")
    before = clock.now()
    wall.ahead = jump
    assert 0 <= clock.now() - before < 60


def test_a_rest_between_runs_counts_a_jump_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall, file = Wall(monkeypatch), tmp_path / "clock.json"
    clock = ServiceClock(file)
    start = clock.now()
    clock.save()
    wall.ahead = 10_000.0
    clock = ServiceClock(file)
    assert abs(clock.now() - start - 10_000.0) < 60
    clock.save()
    wall.ahead += 400 * DAY_S
    clock = ServiceClock(file)
    assert abs(clock.now() - start - 10_000.0 - LONGEST_REST_S) < 60
    clock.save()
    # Set right again: it stays where it is, and ages from there.
    wall.ahead = 2 * DAY_S
    assert abs(ServiceClock(file).now() - start - 10_000.0 - LONGEST_REST_S) < 60


def test_a_damaged_note_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_bytes(b"[")
    assert abs(ServiceClock(tmp_path / "clock.json").now() - time.time()) < 60


@pytest.mark.parametrize("number", ["1e999", "NaN", "1" + "0" * 400, "[]", '"x"'])
def test_a_note_that_is_no_time_begins_anew(tmp_path: Path, number: str) -> None:
    file = tmp_path / "clock.json"
    file.write_text(f'{{"clock": {number}, "wall": 1.0}}')
    assert abs(ServiceClock(file).now() - time.time()) < 60
