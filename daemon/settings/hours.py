"""The hours in which the queue may run: spans of the day like `22:00-06:00`, by the clock of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.errors import ConfigError

_SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)")
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Hours:
    """`spans` are minutes of the day, from the first until before the second; one may pass midnight."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Hours:
        """The hours that some texts say; at all times, if there are none.

        Raises:
            ConfigError: one is no span of time.
        """
        return cls(tuple(_span(text) for text in texts))

    def within(self, moment: datetime) -> bool:
        """Whether a moment of local time lies in one of them."""
        minute = moment.hour * 60 + moment.minute
        return not self.spans or any(
            begin <= minute < end if begin < end else minute >= begin or minute < end for begin, end in self.spans
        )

    def next_begin(self, moment: datetime) -> datetime:
        """When the first span after `moment`, which lies in none, begins. Both are local times without a zone."""
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        days = (midnight, midnight + timedelta(days=1))
        begins = (day + timedelta(minutes=begin) for day in days for begin, _ in self.spans)
        return min(begin for begin in begins if begin > moment)

    def __str__(self) -> str:
        return ", ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in self.spans)


def _span(text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(text.strip())
    begin, end = (_minute(match[1], match[2]), _minute(match[3], match[4])) if match else (_DAY, _DAY)
    if begin >= _DAY or end > _DAY or begin == end:
        raise ConfigError(f'queue.hours takes spans of the day such as "22:00-06:00", not {text[:80]!r}.')
    return begin, end


def _minute(hours: str, minutes: str) -> int:
    # Past the end of every day, where it is no time.
    return int(hours) * 60 + int(minutes) if int(minutes) < 60 else _DAY + 1


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
