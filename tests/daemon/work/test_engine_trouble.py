"""Whose fault it is that the engine ended: the file's or the machine's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.errors import CardFullError, EngineAwayError, EngineDiedError
from daemon.jobs.job import Draft, Job, Media, State
from daemon.work import engine_trouble
from daemon.work.ending import MAX_STARTS
from daemon.work.engine_trouble import EngineTrouble
from seedvr2.errors import MemoryTakenError

DIED = EngineDiedError("the engine's process is gone: it was ended by SIGSEGV")
GPU = EngineDiedError("the GPU failed (CUDA error: unknown error)", device=True)


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(engine_trouble, "time", clock)
    return clock


def job(name: str) -> Job:
    draft = Draft("inbox", f"/in/{name}", name, "ab" * 32, 10, Media("picture", 32, 24, 1), {}, 1.0, "0.1.0")
    return Job(id=name, number=1, draft=draft, created_at=0.0)


def tried(trouble: EngineTrouble, one: Job, error: Exception, reached: int = 0) -> Job:
    return trouble.failed(one.start(0.0), error, reached)


def test_a_file_alone_is_put_aside_after_so_many_crashes(clock: Clock) -> None:
    trouble, one = EngineTrouble(), job("a")
    for number in range(1, MAX_STARTS):
        one = tried(trouble, one, DIED)
        assert (one.state, one.starts) == (State.QUEUED, number)
        assert not trouble.pause()
    one = tried(trouble, one, DIED)
    assert one.state is State.FAILED and "SIGSEGV" in (one.error or "")


def test_a_file_that_gets_further_each_time_is_not(clock: Clock) -> None:
    trouble, one = EngineTrouble(), job("a")
    for number in range(3 * MAX_STARTS):
        one = tried(trouble, one, DIED, reached=number + 1)
        assert one.state is State.QUEUED


def test_two_files_make_it_the_machine(clock: Clock) -> None:
    """The queue rests, longer each time, and nothing counts any more."""
    trouble, one, other = EngineTrouble(), job("a"), job("b")
    pauses = []
    one = tried(trouble, one, DIED)
    for _ in range(3 * MAX_STARTS):
        other, one = tried(trouble, other, DIED), one
        began = clock.now
        while trouble.pause():
            assert trouble.problems
            clock.now += 1
        pauses.append(clock.now - began)
        # Others come first.
        assert not trouble.ready(other) and trouble.ready(job("c"))
        clock.now += engine_trouble.FIRST_REST_S
        assert trouble.ready(other)
    assert other.state is State.QUEUED and other.starts == 1
    assert pauses == sorted(pauses) and pauses[-1] == engine_trouble.LONGEST_REST_S
    trouble.did(job("c"))
    assert not trouble.problems and not trouble.pause()


def test_an_error_of_the_gpu_needs_another_file_as_a_witness(clock: Clock) -> None:
    trouble, one = EngineTrouble(), job("a")
    for _ in range(3 * MAX_STARTS):
        one = tried(trouble, one, GPU)
    assert (one.state, one.starts) == (State.QUEUED, MAX_STARTS - 1)
    assert trouble.pause() == str(GPU)
    trouble.did(job("b"))
    one = tried(trouble, one, GPU)
    assert one.state is State.FAILED


@pytest.mark.parametrize(
    "error",
    [
        EngineAwayError("the GPU does not answer"),
        CardFullError("Other programs hold it."),
        MemoryTakenError("It takes 4 GB, and 1 GB are free."),
    ],
)
def test_what_is_no_files_doing_is_waited_for(clock: Clock, error: Exception) -> None:
    trouble, one = EngineTrouble(), job("a")
    for _ in range(3 * MAX_STARTS):
        one = tried(trouble, replace(one), error)
        assert one.state is State.QUEUED and trouble.pause() == str(error)
        assert trouble.lacked_memory() is not isinstance(error, EngineAwayError)
        assert not trouble.lacked_memory()
