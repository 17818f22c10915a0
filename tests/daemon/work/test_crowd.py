"""Which jobs begin where there are many places: always enough to choose from, and nobody in anybody's way."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from daemon.jobs.job import Job, Media
from daemon.jobs.queue import JobQueue
from daemon.work.crowd import Crowd, CrowdSchedule, Single
from daemon.work.running import RunningJobs
from tests.daemon.conftest import PATIENCE_S
from tests.daemon.jobs.test_job import draft

PLACES = 2


def job(number: int, kind: str = "video", priority: str = "normal") -> Job:
    return Job(f"{number:08x}", number, 1.0, replace(draft(), media=Media(kind, 64, 48, 1), priority=priority))


class Hall:
    """Jobs that wait and jobs that run."""

    def __init__(self, *waiting: Job, capacity: int = PLACES) -> None:
        self.running = RunningJobs()
        self.queue = JobQueue(waiting)
        self.refused: set[int] = set()
        self.schedule = CrowdSchedule(
            self.queue, None, lambda each: each.number not in self.refused, lambda: capacity, self.running
        )

    def begin(self) -> list[int]:
        """The numbers of all that begin now."""
        begun = []
        while (taken := self.schedule.take()) is not None:
            self.running.begin(taken.start(2.0), None)
            begun.append(taken.number)
        return begun


def test_one_job_more_than_there_are_places_begins_in_the_order_of_the_queue() -> None:
    assert Hall(*(job(number) for number in range(1, 9))).begin() == [1, 2, 3]


def test_films_do_not_take_the_room_of_pictures_nor_the_other_way_round() -> None:
    films = [job(number) for number in range(1, 9)]
    pictures = [job(number, "picture") for number in range(9, 17)]
    assert Hall(*films, *pictures).begin() == [1, 2, 3, 9, 10, 11]


def test_a_job_of_a_higher_priority_finds_room_when_all_is_taken() -> None:
    hall = Hall(*(job(number) for number in range(1, 9)))
    hall.begin()
    hall.queue.put(job(20, priority="high"))
    hall.queue.put(job(21, priority="low"))
    assert hall.begin() == [20]


def test_one_that_has_to_wait_holds_up_nobody() -> None:
    hall = Hall(job(1), job(2))
    hall.refused = {1}
    assert hall.begin() == [2]


def test_nothing_begins_without_a_place() -> None:
    assert Hall(job(1), capacity=0).begin() == []


@pytest.mark.parametrize("ended", [job(1), ValueError("no")])
def test_the_end_of_a_job_is_kept_until_it_is_looked_at(ended: Job | Exception) -> None:
    told = threading.Event()
    crowd = Crowd(told.set)
    assert crowd.next_ended() is None
    crowd.begin(job(1), lambda _job: ended)
    assert crowd.busy
    assert told.wait(PATIENCE_S)
    assert crowd.ended
    assert crowd.next_ended() == (job(1), ended)
    assert not crowd.busy


@pytest.mark.parametrize("ended", [job(1), ValueError("no")])
def test_a_single_job_runs_in_the_thread_that_begins_it(ended: Job | Exception) -> None:
    single, ran = Single(), []
    assert single.next_ended() is None
    assert not single.busy

    def run(each: Job) -> Job | Exception:
        ran.append((each, threading.get_ident()))
        return ended

    single.begin(job(1), run)
    assert ran == [(job(1), threading.get_ident())]
    assert single.busy
    assert single.next_ended() == (job(1), ended)
    assert not single.busy
