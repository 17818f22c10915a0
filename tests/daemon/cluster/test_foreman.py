"""What the service makes of what the gateway says; no Ray is needed for it."""

from __future__ import annotations

import errno
import queue
from typing import Any

import pytest

from daemon.cluster import messages as say
from daemon.cluster.dispatcher import BEGIN, Dispatcher, Turn
from daemon.cluster.foreman import Foreman
from daemon.cluster.gateway import Down
from daemon.cluster.job_events import Ended, Event, Made, Step, TooLarge, UnitError
from seedvr2.errors import MachineError, MediaError, OutOfMemoryError

RANK = (False, -1)
PUBLISHED = "seedvr2_ema_3b-Q6_K.gguf"


class Desk:
    """A job of three units, and two machines with a place each; collects what is sent to the gateway."""

    def __init__(self, machines: tuple[str, ...] = ("a", "b"), attempts: int = 3) -> None:
        self.sent: list[Any] = []
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.foreman = Foreman(Dispatcher(attempts=attempts), self.sent.append)
        self.foreman.hear(say.Up(say.VERSION, "2"))
        for number, machine in enumerate(machines):
            self.seen(machine, free_mb=1000 * (number + 1))
        self.foreman.enter(Turn("job", RANK, 1), lambda index, _attempt: {"index": index}, self.events)
        self.answer({"plan": {}})
        begun = self.event()
        assert isinstance(begun, Made)
        self.foreman.planned("job", range(3), begun.place, "nano")

    def seen(self, machine: str, **more: Any) -> None:
        values = {"kind": "card", "free_mb": 1000, **more}
        self.foreman.hear(say.Seen(say.Place(f"{machine}:0", machine, **values)))

    def running(self) -> list[say.Run]:
        """What was sent last and has no answer."""
        return [message for message in self.sent if isinstance(message, say.Run)]

    def take(self) -> say.Run:
        run = self.running()[0]
        self.sent.remove(run)
        return run

    def answer(self, answer: dict[str, Any]) -> None:
        self.foreman.hear(say.Done(self.take().attempt, answer))

    def fail(self, kind: str, message: str = "No.", **more: Any) -> say.Run:
        run = self.take()
        self.foreman.hear(say.Failed(run.attempt, kind, message, **more))
        return run

    def event(self) -> Event:
        return self.events.get(timeout=1)

    def error(self) -> Exception:
        event = self.event()
        assert isinstance(event, Ended)
        return event.error


def test_each_place_gets_a_unit_and_the_next_one_when_it_is_done() -> None:
    desk = Desk()
    assert [run.order["index"] for run in desk.running()] == [0, 1]
    desk.answer({"frames": 5})
    made = desk.event()
    assert isinstance(made, Made)
    assert (made.index, made.place.id) == (0, "a:0")
    assert [run.order["index"] for run in desk.running()] == [1, 2]
    assert desk.foreman.units == {("a", "made"): 2}


def test_progress_goes_to_its_job() -> None:
    desk = Desk()
    desk.foreman.hear(say.Progress(desk.running()[1].attempt, "decoding", 3, 6, 0.5))
    assert desk.event() == Step(1, "decoding", 3, 6, 0.5)
    assert desk.foreman.places_of("job") == ["a:0", "b:0"]
    assert desk.foreman.work_at("b:0") == ("job", 1)


def test_a_unit_that_is_lost_is_made_again_until_it_is_enough() -> None:
    desk = Desk(("a",))
    for _ in range(3):
        desk.foreman.hear(say.Lost(desk.take().attempt, "its process ended"))
    error = desk.error()
    assert isinstance(error, UnitError)
    assert "segment 0" in str(error)
    assert "on a" in str(error)


def test_what_ran_when_the_gateway_ended_is_made_again_without_blame() -> None:
    desk = Desk(attempts=1)
    late = desk.running()[0].attempt
    desk.foreman.hear(Down("it was killed"))
    assert desk.foreman.capacity == 0
    assert "it was killed" in desk.foreman.problems[0]
    desk.sent.clear()
    # It is said by somebody who is not there any more.
    desk.foreman.hear(say.Done(late, {"frames": 5}))
    desk.foreman.hear(say.Up(say.VERSION, "2"))
    desk.seen("a")
    assert [run.order["index"] for run in desk.running()] == [0]
    assert desk.foreman.problems == []
    assert desk.events.empty()


def test_a_file_that_is_no_good_fails_at_once() -> None:
    desk = Desk()
    desk.fail("MediaError", "It is damaged.")
    error = desk.error()
    assert isinstance(error, MediaError)
    assert str(error) == "It is damaged."


def test_a_machine_that_cannot_is_left_out_and_the_second_one_ends_it() -> None:
    desk = Desk()
    assert desk.fail("CheckpointError", "The model is damaged.").place == "a:0"
    assert [run.place for run in desk.running() if run.order["index"] == 0] == []
    desk.answer({"frames": 5})
    desk.event()
    (again,) = [run for run in desk.running() if run.order["index"] == 0]
    assert again.place == "b:0"
    desk.foreman.hear(say.Failed(again.attempt, "CheckpointError", "The model is damaged."))
    error = desk.error()
    assert isinstance(error, UnitError)
    assert str(error) == "On a and on b segment 0 cannot be made: The model is damaged."


def test_what_the_only_machine_refuses_is_said_as_without_a_cluster() -> None:
    desk = Desk(("a",))
    desk.fail("MachineError", "The disk is full.", number=28)
    error = desk.error()
    assert isinstance(error, MachineError)
    assert error.errno == 28


def test_where_memory_runs_out_the_larger_place_is_asked_and_then_a_smaller_plan() -> None:
    desk = Desk()
    assert desk.fail("OutOfMemoryError").place == "a:0"
    desk.answer({"frames": 5})
    desk.event()
    (again,) = [run for run in desk.running() if run.order["index"] == 0]
    assert again.place == "b:0"
    desk.foreman.hear(say.Failed(again.attempt, "OutOfMemoryError", "No."))
    assert desk.event() == TooLarge()


def test_a_beginning_for_which_there_is_no_memory_ends_the_job() -> None:
    desk = Desk(("a",))
    desk.foreman.again("job")
    assert [message for message in desk.sent if isinstance(message, say.Cancel)]
    desk.fail("Cancelled")
    assert desk.running()[0].order["index"] == BEGIN
    desk.fail("OutOfMemoryError")
    assert isinstance(desk.error(), OutOfMemoryError)


def test_a_job_that_leaves_lets_its_places_go() -> None:
    desk = Desk()
    first, second = desk.running()
    desk.foreman.leave("job")
    assert {message.attempt for message in desk.sent if isinstance(message, say.Cancel)} == {
        first.attempt,
        second.attempt,
    }
    assert desk.foreman.at_work("job")
    for run in (first, second):
        desk.foreman.hear(say.Failed(run.attempt, "Cancelled", "Stopped."))
    assert not desk.foreman.at_work("job")
    assert desk.events.empty()


def test_a_machine_that_is_gone_is_told_of_until_it_is_back() -> None:
    desk = Desk()
    desk.foreman.hear(say.Gone("b:0", "b does not answer any more"))
    assert desk.foreman.problems == ["b does not answer any more"]
    desk.seen("b")
    assert desk.foreman.problems == []


@pytest.mark.parametrize("gone", [True, False])
def test_a_job_says_that_its_kind_of_gpu_is_gone(gone: bool) -> None:
    desk = Desk(("a",))
    if gone:
        desk.foreman.hear(say.Gone("a:0", "gone"))
        desk.seen("c", kind="another")
    assert ("card" in desk.foreman.waits_for("job")) is gone


def test_a_machine_that_cannot_take_a_source_costs_no_attempt_and_is_named_while_nobody_works() -> None:
    desk = Desk(machines=("a",), attempts=1)
    run = desk.take()
    desk.seen("a", state="refused", why="full")
    desk.foreman.hear(say.Lost(run.attempt, "its disk is full", begun=False))
    assert desk.foreman.waits_for("job") == "a:0: its disk is full"
    assert desk.foreman.units["a", "lost"] == 0
    desk.seen("a")
    assert desk.take().order["index"] == run.order["index"]
    assert desk.foreman.waits_for("job") == ""


def test_a_disk_of_this_machine_that_refuses_ends_the_job_as_it_would_without_a_cluster() -> None:
    desk = Desk()
    desk.fail("OSError", "No space left on device", number=errno.ENOSPC, here=True)
    error = desk.error()
    assert isinstance(error, OSError) and error.errno == errno.ENOSPC
    assert desk.foreman.units["a", "failed"] == 0


def test_bytes_that_travelled_are_counted() -> None:
    desk = Desk()
    for size in (5, 7):
        desk.foreman.hear(say.Carried("a", "to", size))
    assert dict(desk.foreman.carried) == {("a", "to"): 12}


def test_a_job_whose_model_nobody_has_says_how_it_comes_there_and_begins_when_it_is() -> None:
    desk = Desk(("a", "b"))
    desk.foreman.leave("job")
    for run in desk.running():
        desk.foreman.hear(say.Failed(run.attempt, "Cancelled", "Stopped."))
    desk.sent.clear()
    for machine in ("a", "b"):
        desk.seen(machine, models={"nano": ""})
    for job, model in (("published", PUBLISHED), ("own", "mine.gguf")):
        desk.foreman.enter(Turn(job, RANK, 2, model=model), lambda index, _attempt: {"index": index}, desk.events)
    said = f"no machine has {PUBLISHED}; `seedvr2d pull {PUBLISHED} --machine a` (or b) fetches it there"
    assert desk.foreman.waits_for("published") == said
    assert desk.foreman.waits_for("own").endswith("put it into the models folder of those that are to make it")
    assert desk.foreman.lacking == [PUBLISHED]
    assert desk.running() == []
    desk.seen("b", models={"nano": "", PUBLISHED: ""})
    assert [run.place for run in desk.running()] == ["b:0"]
    assert desk.foreman.lacking == []


def test_a_job_names_the_machine_that_has_another_file_than_its_plan() -> None:
    desk = Desk(("a",))
    desk.foreman.hear(say.Gone("a:0", "gone"))
    desk.foreman.hear(say.Lost(desk.take().attempt, "the place is not there any more", begun=False))
    desk.foreman.planned("job", range(3), say.Place("a:0", "a", kind="card"), "own.gguf", {"own.gguf": "aa"})
    desk.seen("a", models={"own.gguf": "bb"})
    assert desk.running() == []
    waits = desk.foreman.waits_for("job")
    assert waits.startswith("the own.gguf on a is another file than the one that it was planned with")
    desk.seen("a", models={"own.gguf": "aa"})
    assert [run.order["index"] for run in desk.running()] == [0]
    assert desk.foreman.waits_for("job") == ""
