"""When a running job makes room for what cannot wait, and when it is waited for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from daemon.jobs.job import Draft, Job, Media, Progress
from daemon.work.orders import BORDER_S, MOST_ABANDONED, PICTURE_S, Abandoned, Orders, near


def job(kind: str = "video") -> Job:
    media = Media(kind, 64, 48, 100 if kind == "video" else 1)
    return Job("0000000a", 1, 0.0, Draft("api", "/x", "x", "0" * 64, 1, media, {}, 1.0, "1"))


@dataclass
class Told:
    """What the orders are made of; the tests change it."""

    urgent_s: float | None = None
    progress: Progress | None = None
    others: bool = False
    at_once: bool = False
    stopping: bool = False
    expected_s: float = 0.0

    def orders(self, kind: str = "video", abandoned: Abandoned | None = None) -> Orders:
        return Orders(
            job(kind),
            cancelled=lambda: False,
            stopping=lambda: self.stopping,
            urgent_s=lambda: self.urgent_s,
            others=lambda: self.others,
            at_once=lambda: self.at_once,
            progress=lambda: self.progress,
            abandoned=abandoned or Abandoned(),
            expected_s=self.expected_s,
        )


VIDEO = Progress("0000000a", segments_done=3, segments_total=9)


@pytest.mark.parametrize(
    ("border_s", "waited_s", "waits"),
    [(BORDER_S, 0, True), (BORDER_S + 0.1, 0, False), (None, 0, False), (1.0, 2 * BORDER_S + 0.1, False)],
)
def test_a_border_is_waited_for_if_it_is_near_and_comes(border_s: float | None, waited_s: float, waits: bool) -> None:
    progress = replace(VIDEO, border_s=border_s, eta_s=1.0)
    assert near(border_s, video=True, waited_s=waited_s) is waits
    orders = Told(urgent_s=waited_s, progress=progress).orders()
    assert orders.interrupted is not waits
    assert orders.give_way()


@pytest.mark.parametrize(("eta_s", "waits"), [(PICTURE_S, True), (PICTURE_S + 1, False), (None, False)])
def test_the_end_of_a_picture_is_waited_for_if_it_is_near(eta_s: float | None, waits: bool) -> None:
    progress = Progress("0000000a", eta_s=eta_s, border_s=0.0)
    assert Told(urgent_s=0.1, progress=progress).orders("picture").interrupted is not waits


@pytest.mark.parametrize(("expected_s", "waits"), [(PICTURE_S, True), (PICTURE_S + 5, False), (0.0, False)])
def test_of_a_picture_that_has_just_begun_its_estimate_counts(expected_s: float, waits: bool) -> None:
    told = Told(urgent_s=0.1, progress=Progress("0000000a"), expected_s=expected_s)
    assert told.orders("picture").interrupted is not waits
    assert Told(urgent_s=0.1, progress=VIDEO, expected_s=expected_s).orders().interrupted


def test_nobody_is_interrupted_for_nobody_and_others_wait_for_the_border() -> None:
    orders = Told(progress=VIDEO, others=True).orders()
    assert not orders.interrupted and orders.give_way()
    assert not Told(progress=VIDEO).orders().give_way()


def test_what_was_said_once_stays() -> None:
    told = Told(urgent_s=0.1, progress=VIDEO)
    orders = told.orders()
    assert orders.interrupted
    told.urgent_s = None
    assert orders.interrupted
    assert Told(at_once=True).orders().interrupted and Told(stopping=True).orders().interrupted


def test_a_segment_that_was_thrown_away_too_often_is_finished() -> None:
    abandoned, told = Abandoned(), Told(urgent_s=0.1, progress=VIDEO)
    assert [told.orders(abandoned=abandoned).interrupted for _ in range(MOST_ABANDONED + 2)] == [
        *[True] * MOST_ABANDONED,
        False,
        False,
    ]
    last = told.orders(abandoned=abandoned)
    assert last.give_way()
    # The next one counts anew, and the end of the service waits for nothing.
    told.progress = replace(VIDEO, segments_done=4)
    assert told.orders(abandoned=abandoned).interrupted
    told.progress, told.stopping = VIDEO, True
    assert told.orders(abandoned=abandoned).interrupted
