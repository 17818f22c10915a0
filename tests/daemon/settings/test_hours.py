"""Spans of the day."""

from __future__ import annotations

from datetime import datetime

import pytest

from daemon.errors import ConfigError
from daemon.settings.config import load_config
from daemon.settings.hours import Hours


def at(clock: str, day: int = 10) -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02}T{clock}")


def test_without_spans_it_is_always_open() -> None:
    assert Hours.parse(()).within(at("03:00"))


@pytest.mark.parametrize(
    ("clock", "open"),
    [("21:59:59", False), ("22:00", True), ("23:59", True), ("00:00", True), ("05:59:59", True), ("06:00", False),
     ("11:59", False), ("12:00", True), ("13:30", False)],
)  # fmt: skip
def test_spans_may_pass_midnight_and_end_before_their_end(clock: str, open: bool) -> None:
    assert Hours.parse(["22:00-06:00", "12:00 - 13:30"]).within(at(clock)) is open


def test_the_next_begin_is_today_or_tomorrow() -> None:
    hours = Hours.parse(["22:00-06:00", "9:30-10:00"])
    assert str(hours) == "22:00-06:00, 09:30-10:00"
    assert hours.next_begin(at("06:00")) == at("09:30")
    assert hours.next_begin(at("10:00:01")) == at("22:00")
    assert Hours.parse(["01:00-02:00"]).next_begin(at("23:00")) == at("01:00", 11)
    assert Hours.parse(["08:00-24:00"]).within(at("23:59"))


@pytest.mark.parametrize(
    "text", ["22-06", "22:00", "24:00-06:00", "06:00-24:01", "07:60-08:00", "07:00-07:00", "nights"]
)
def test_what_is_no_span_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"queue\.hours takes spans of the day"):
        load_config(None, {"SEEDVR2_QUEUE_HOURS": text})


def test_the_configuration_takes_several() -> None:
    assert load_config(None, {"SEEDVR2_QUEUE_HOURS": "22:00-06:00, 12:00-13:00"}).queue.hours == (
        "22:00-06:00",
        "12:00-13:00",
    )
