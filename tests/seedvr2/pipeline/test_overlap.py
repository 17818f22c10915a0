"""With real threads and real faults; no test may leave a thread behind."""

from __future__ import annotations

import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from seedvr2.errors import MachineError, MediaError
from seedvr2.pipeline.overlap import ReadAhead, WriteBehind, depth

# Long enough on any machine for what a thread would do if nothing held it back.
A_WHILE = 0.1


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def _interrupt_the_main_thread() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


class Numbers:
    """An iterator that says how far it has come and in which threads it was used."""

    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self.made = 0
        self.threads: set[int] = set()
        self.closed = False
        self._count, self._error = count, error
        self.progress = threading.Condition()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.threads.add(threading.get_ident())
        if self.made == self._count:
            raise self._error or StopIteration
        with self.progress:
            self.made += 1
            self.progress.notify_all()
        return self.made

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed = True

    def wait_for(self, made: int) -> bool:
        with self.progress:
            return self.progress.wait_for(lambda: self.made >= made, timeout=10)


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("waiting", [1, 3])
def test_items_come_in_order_out_of_another_thread(count: int, waiting: int) -> None:
    source = Numbers(count)
    with ReadAhead(source, waiting) as items:
        assert list(items) == list(range(1, count + 1))
        assert list(items) == []
    assert source.closed and len(source.threads) == 1 and threading.get_ident() not in source.threads


def test_it_reads_ahead_but_not_further_than_it_may() -> None:
    source = Numbers(100)
    with ReadAhead(source, 3) as items:
        # Three wait, and one more is made.
        assert source.wait_for(4)
        threading.Event().wait(A_WHILE)
        assert source.made == 4
        next(items)
        assert source.wait_for(5)
        threading.Event().wait(A_WHILE)
        assert source.made == 5


@pytest.mark.parametrize(
    "error", [MediaError("cut off"), MachineError("gone", 5), MemoryError(), RuntimeError("generator"), SystemExit(3)]
)
def test_an_error_of_the_source_comes_after_what_was_read_as_it_is(error: BaseException) -> None:
    seen = []
    with pytest.raises(type(error)) as caught, ReadAhead(Numbers(5, error), 2) as items:
        for item in items:
            seen.append(item)
    assert seen == [1, 2, 3, 4, 5] and caught.value is error


def test_a_source_that_is_left_early_is_closed_in_its_thread() -> None:
    where: list[int] = []

    def source() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            where.append(threading.get_ident())

    with pytest.raises(KeyError), ReadAhead(source(), 2) as items:
        next(items)
        raise KeyError
    assert len(where) == 1 and where[0] != threading.get_ident()


def test_what_was_given_out_is_not_kept_while_the_next_is_made() -> None:
    class Frame:
        pass

    made = threading.Event()
    go_on = threading.Event()

    def source() -> Iterator[Frame]:
        yield Frame()
        made.set()
        go_on.wait(10)

    with ReadAhead(source(), 1) as items:
        given = weakref.ref(next(items))
        assert made.wait(10)
        gc.collect()
        assert given() is None
        go_on.set()


def test_an_interrupt_ends_the_wait_and_the_thread() -> None:
    go_on = threading.Event()

    def source() -> Iterator[int]:
        go_on.wait(10)
        yield 1

    def interrupt() -> None:
        _interrupt_the_main_thread()
        threading.Event().wait(A_WHILE)
        go_on.set()

    timer = threading.Timer(A_WHILE, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt), ReadAhead(source(), 1) as items:
        next(items)
    timer.join()


def _into(done: list[int], number: int) -> Callable[[], None]:
    return lambda: done.append(number)


@pytest.mark.parametrize("waiting", [1, 4])
def test_calls_are_carried_out_in_order_and_all_of_them(waiting: int) -> None:
    done: list[int] = []
    with WriteBehind(waiting) as behind:
        for number in range(100):
            behind.put(_into(done, number))
    assert done == list(range(100))


def test_the_caller_goes_on_and_waits_when_too_many_wait() -> None:
    go_on, begun = threading.Event(), threading.Event()
    put: list[int] = []

    def slow() -> None:
        begun.set()
        assert go_on.wait(10)

    def give() -> None:
        with WriteBehind(2) as behind:
            for number in range(5):
                behind.put(slow)
                put.append(number)

    giver = threading.Thread(target=give)
    giver.start()
    assert begun.wait(10)
    threading.Event().wait(A_WHILE)
    # One is being carried out, two wait.
    assert put == [0, 1, 2]
    go_on.set()
    giver.join()
    assert put == [0, 1, 2, 3, 4]


def test_an_error_stops_what_follows_and_reaches_the_caller_as_it_is() -> None:
    done: list[int] = []
    error = MediaError("The disk is full")

    def fail() -> None:
        raise error

    with pytest.raises(MediaError) as caught, WriteBehind(1) as behind:
        behind.put(_into(done, 0))
        behind.put(fail)
        for number in range(1, 100):
            behind.put(_into(done, number))
    assert caught.value is error and done == [0]


def test_an_error_of_the_last_call_is_not_lost() -> None:
    def fail() -> None:
        raise MachineError("The disk is full", 28)

    with pytest.raises(MachineError, match="full"), WriteBehind(5) as behind:
        behind.put(fail)


def test_an_error_can_be_asked_for_before_there_is_more_to_write() -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise MediaError("The disk is full")

    def ask() -> None:
        with WriteBehind(5) as behind:
            behind.check()
            behind.put(fail)
            assert failed.wait(10)
            for _ in range(1000):
                threading.Event().wait(0.01)
                behind.check()

    with pytest.raises(MediaError):
        ask()


def test_an_error_of_the_caller_drops_what_waits_and_is_the_one_that_is_told() -> None:
    go_on = threading.Event()
    done: list[int] = []

    def fail_late() -> None:
        go_on.wait(10)
        raise MediaError("The disk is full")

    with pytest.raises(KeyError), WriteBehind(5) as behind:
        behind.put(fail_late)
        behind.put(_into(done, 1))
        go_on.set()
        raise KeyError
    assert done == []


def test_an_interrupt_ends_the_wait_for_the_last_calls() -> None:
    go_on, begun = threading.Event(), threading.Event()
    done: list[int] = []

    def slow() -> None:
        begun.set()
        go_on.wait(10)

    def interrupt() -> None:
        begun.wait(10)
        threading.Event().wait(A_WHILE)
        _interrupt_the_main_thread()
        threading.Event().wait(A_WHILE)
        go_on.set()

    other = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt), WriteBehind(5) as behind:
        behind.put(slow)
        behind.put(_into(done, 1))
        other.start()
    other.join()
    assert done == []


@pytest.mark.parametrize(
    ("frame_bytes", "batch", "wanted"),
    [(1920 * 1080 * 3, 5, 5), (1920 * 1080 * 3, 81, 16), (3840 * 2160 * 3, 81, 4), (2**30, 5, 1), (0, 3, 3)],
)
def test_few_frames_wait_where_they_are_large(frame_bytes: int, batch: int, wanted: int) -> None:
    assert depth(frame_bytes, batch) == wanted


def test_a_flush_waits_for_all_that_was_put_and_tells_what_failed() -> None:
    done: list[int] = []

    def slow(number: int) -> None:
        time.sleep(0.02)
        done.append(number)

    def fail() -> None:
        raise KeyError("x")

    with WriteBehind(8) as writer:
        for number in range(5):
            writer.put(partial(slow, number))
        writer.flush()
        assert done == list(range(5))
        writer.put(partial(slow, 5))
    assert done[-1] == 5
    with pytest.raises(KeyError), WriteBehind(8) as writer:
        writer.put(fail)
        writer.flush()
