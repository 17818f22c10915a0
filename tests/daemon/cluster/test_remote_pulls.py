"""Downloads on other machines as the service keeps them; no Ray is needed for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster import messages as say
from daemon.cluster.gateway import Down
from daemon.cluster.remote_pulls import FILE, RemotePulls
from daemon.engine.pull import MOST_ENDED, Pull
from daemon.errors import RequestError
from seedvr2.catalogue.registry import BY_NAME, CATALOGUE, RECOMMENDED
from tests.daemon.engine.test_pulls import MODEL, VAE

LARGE, SMALL = RECOMMENDED["3b"]


class Desk:
    """The downloads, two machines with a place each, and what is sent to the gateway."""

    def __init__(self, state: Path) -> None:
        self.sent: list[Any] = []
        self.told: list[Pull] = []
        self.there: dict[str, say.Place] = {}
        self.pulls = RemotePulls(lambda: list(self.there.values()), self.sent.append, state)
        self.pulls.tell = self.told.append

    def seen(self, machine: str, **more: Any) -> None:
        place = say.Place(f"{machine}:0", machine, **{"kind": "card", "vram_mb": 24_000, **more})
        self.there[place.id] = place
        self.pulls.hear(say.Seen(place))

    def gone(self, machine: str) -> None:
        del self.there[f"{machine}:0"]
        self.pulls.hear(say.Gone(f"{machine}:0", f"{machine} does not answer any more"))

    def ask(self, name: str = MODEL, machine: str = "a") -> Pull:
        _, pull = self.pulls.request(name, machine)
        assert pull is not None
        return pull

    def states(self) -> list[tuple[str, str, str]]:
        return [(pull.machine, pull.name, pull.state) for pull in self.pulls.all]

    def fetches(self) -> list[tuple[str, str]]:
        return [(message.machine, message.model) for message in self.sent if isinstance(message, say.Fetch)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    for machine in ("a", "b"):
        desk.seen(machine)
    return desk


def test_it_is_carried_out_there_and_told_step_by_step(desk: Desk, tmp_path: Path) -> None:
    pull = desk.ask("3b-q6")
    assert (pull.name, pull.machine, pull.state) == (MODEL, "a", "waiting")
    assert desk.sent == [say.Fetch(pull.number, "a", MODEL)]
    assert json.loads((tmp_path / FILE).read_text()) == [["a", MODEL]]
    desk.pulls.hear(say.FetchStep(pull.number, VAE, "fetching", 30, 120))
    assert desk.pulls.all[0].as_dict() == {
        "model": MODEL, "machine": "a", "state": "fetching", "file": VAE, "done_bytes": 30, "total_bytes": 120,
        "percent": 25, "error": None,
    }  # fmt: skip
    desk.pulls.hear(say.FetchEnded(pull.number))
    assert [each.state for each in desk.told] == ["waiting", "fetching", "done"]
    assert json.loads((tmp_path / FILE).read_text()) == []


def test_two_who_ask_get_one_download_and_each_machine_does_one_at_a_time(desk: Desk) -> None:
    first = desk.ask(MODEL)
    assert desk.ask("3b_q6") == first
    second, elsewhere = desk.ask(VAE), desk.ask(MODEL, "b")
    assert desk.fetches() == [("a", MODEL), ("b", MODEL)]
    desk.pulls.hear(say.FetchEnded(elsewhere.number))
    assert desk.fetches()[2:] == []
    desk.pulls.hear(say.FetchEnded(first.number))
    assert desk.fetches()[2:] == [("a", VAE)]
    desk.pulls.hear(say.FetchEnded(second.number))
    assert desk.states() == [("a", MODEL, "done"), ("a", VAE, "done"), ("b", MODEL, "done")]


def test_a_size_means_what_goes_into_the_memory_of_that_machine(desk: Desk) -> None:
    desk.seen("small", vram_mb=6_000)
    desk.seen("processor", kind="cpu", vram_mb=0, free_mb=10_000)
    assert [desk.ask("3b", machine).name for machine in ("a", "small", "processor")] == [LARGE, SMALL, SMALL]
    # However much is free by now, it is the one that is on its way.
    desk.seen("processor", kind="cpu", vram_mb=0, free_mb=64_000)
    assert desk.ask("3b", "processor").name == SMALL
    assert desk.pulls.cancel("3b", "processor").name == SMALL
    # Another one of that size is not meant.
    desk.ask("3b-q6", "processor")
    assert desk.ask("3b", "processor").name == LARGE


def test_what_is_there_is_not_fetched_unless_it_is_known_to_be_another_file(desk: Desk) -> None:
    published = BY_NAME[LARGE].sha256
    assert published
    for known in ("", published):
        desk.seen("a", models={LARGE: known, MODEL: "0" * 64})
        assert desk.pulls.request("3b-fp8", "a") == (LARGE, None)
    # Where none is published, any will do.
    assert desk.pulls.request("3b-q6", "a") == (MODEL, None)
    # The machine looks into it then, and says what is wrong.
    desk.seen("a", models={LARGE: "0" * 64})
    assert desk.ask(LARGE).state == "waiting"


def test_what_cannot_be_asked_for_is_refused_with_what_can(desk: Desk) -> None:
    for name, machine, status, said in (
        (MODEL, "c", 404, "no machine 'c' now; there are: a, b."),
        ("seedvr9", "a", 404, "Did you mean"),
        ("nano", "a", 400, "nothing to be fetched"),
    ):
        with pytest.raises(RequestError, match=said) as caught:
            desk.pulls.request(name, machine)
        assert caught.value.status == status
    for name in (MODEL, "seedvr9"):
        with pytest.raises(RequestError, match="is not being fetched on a") as caught:
            desk.pulls.cancel(name, "a")
        assert caught.value.status == 404
    desk.there.clear()
    with pytest.raises(RequestError, match="there are: none"):
        desk.pulls.request(MODEL, "a")


def test_a_failure_names_its_machine(desk: Desk) -> None:
    pull = desk.ask()
    desk.pulls.hear(say.FetchEnded(pull.number, "It needs 3.0 GB, but the disk has 1.0 GB free; make room."))
    assert desk.told[-1].error == "On a: It needs 3.0 GB, but the disk has 1.0 GB free; make room."
    assert desk.ask().state == "waiting"


def test_wanted_again_before_the_cancelled_one_has_ended_it_is_another_download(desk: Desk) -> None:
    first = desk.ask()
    assert desk.pulls.cancel("3b-q6", "a").state == "cancelled"
    assert desk.sent[-1] == say.StopFetch(first.number)
    again = desk.ask()
    assert (again.state, again.number != first.number, len(desk.fetches())) == ("waiting", True, 1)
    # What is still said of the first is not of the second.
    desk.pulls.hear(say.FetchStep(first.number, MODEL, "fetching", 9, 10))
    desk.pulls.hear(say.FetchEnded(first.number))
    assert desk.states() == [("a", MODEL, "waiting")]
    assert desk.sent[-1] == say.Fetch(again.number, "a", MODEL)
    desk.pulls.hear(say.FetchEnded(again.number))
    assert desk.states() == [("a", MODEL, "done")]


def test_what_waits_behind_another_is_given_up_without_a_word_to_the_machine(desk: Desk) -> None:
    desk.ask()
    desk.ask(VAE)
    desk.pulls.cancel(VAE, "a")
    assert [message for message in desk.sent if isinstance(message, say.StopFetch)] == []


def test_a_machine_that_goes_away_fails_what_it_had_and_can_be_asked_again(desk: Desk) -> None:
    first = desk.ask()
    desk.ask(VAE)
    elsewhere = desk.ask(MODEL, "b")
    desk.gone("a")
    assert desk.states() == [("a", MODEL, "failed"), ("a", VAE, "failed"), ("b", MODEL, "waiting")]
    said = desk.pulls.all[0].error
    assert said.startswith(f"The download of {MODEL} on a was broken off (a does not answer any more)")
    desk.pulls.hear(say.FetchEnded(first.number, "its process ended", lost=True))
    desk.seen("a")
    assert desk.ask().state == "waiting"
    assert desk.fetches() == [("a", MODEL), ("b", MODEL), ("a", MODEL)]
    desk.pulls.hear(say.FetchEnded(elsewhere.number, "its process ended", lost=True))
    assert "on b was broken off (its process ended)" in desk.told[-1].error


def test_it_is_begun_anew_after_a_restart_of_ray_and_of_the_service(desk: Desk, tmp_path: Path) -> None:
    pull = desk.ask()
    desk.pulls.hear(say.FetchStep(pull.number, MODEL, "fetching", 5, 10))
    desk.there.clear()
    desk.pulls.hear(Down("it was killed"))
    assert (desk.told[-1].state, desk.told[-1].done) == ("waiting", 0)
    desk.seen("b")
    assert len(desk.fetches()) == 1
    desk.seen("a")
    assert desk.fetches() == [("a", MODEL)] * 2
    after = Desk(tmp_path)
    assert after.states() == [("a", MODEL, "waiting")]
    # One whose machine does not come back can be given up.
    assert after.pulls.cancel(MODEL, "a").state == "cancelled"
    after = Desk(tmp_path)
    assert after.states() == []


@pytest.mark.parametrize("noted", ["", "{}", '[1, [2], ["a", "seedvr9"], ["a", 3]]', "[" * 10**5])
def test_a_damaged_note_is_none(tmp_path: Path, noted: str) -> None:
    (tmp_path / FILE).write_text(noted)
    assert Desk(tmp_path).states() == []


def test_only_the_last_ones_that_ended_are_told_of(desk: Desk) -> None:
    wanted = [(machine, entry.name) for machine in ("a", "b") for entry in CATALOGUE][: MOST_ENDED + 3]
    for machine, name in wanted:
        desk.pulls.hear(say.FetchEnded(desk.ask(name, machine).number))
    # Those that had ended when the last one was asked for.
    assert [(pull.machine, pull.name) for pull in desk.pulls.all] == wanted[-MOST_ENDED - 1 :]


def test_which_machine_is_that_of_the_service(desk: Desk) -> None:
    desk.seen("own", here=True)
    assert [desk.pulls.is_here(machine) for machine in ("a", "own", "gone")] == [False, True, False]
