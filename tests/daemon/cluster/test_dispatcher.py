"""Who makes what: by examples, and by whatever may happen in whatever order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.cluster.dispatcher import BEGIN, PATIENCE_S, VAE, Dispatcher, Spot, Turn, Verdict

NORMAL, HIGH = (False, -1), (False, -2)
FAST = [Spot(f"fast:{number}", "fast", "RTX 4090", 24_000) for number in range(2)]
SLOW = [Spot(f"slow-{number}:0", f"slow-{number}", "RTX 3060", 12_000) for number in range(3)]


def begun(dispatcher: Dispatcher, job: str, units: int, spot: Spot, **turn: object) -> None:
    """A job that is planned, at a place of the kind of `spot`."""
    values = {"rank": NORMAL, "number": 1, **turn}
    dispatcher.add(Turn(job, **values), 0.0)
    chosen = dispatcher.next(spot, [spot], 0.0)
    assert chosen == (job, BEGIN)
    dispatcher.done(job, spot.id)
    dispatcher.planned(job, range(units), spot.kind, "")


def test_a_lone_job_gets_every_place_of_its_kind_and_no_other() -> None:
    dispatcher, spots = Dispatcher(), [*FAST, *SLOW]
    begun(dispatcher, "film", 9, SLOW[0])
    assert [dispatcher.next(spot, spots, 0.0) for spot in spots] == [None, None, ("film", 0), ("film", 1), ("film", 2)]


def test_mixed_kinds_work_on_one_job_where_that_is_wanted() -> None:
    dispatcher, spots = Dispatcher(mixed=True), [*FAST, *SLOW]
    begun(dispatcher, "film", 9, SLOW[0])
    assert [dispatcher.next(spot, spots, 0.0) for spot in spots] == [("film", index) for index in range(5)]


def test_a_small_job_goes_at_the_next_border_and_a_high_one_before_all() -> None:
    dispatcher = Dispatcher()
    begun(dispatcher, "film", 9, FAST[0])
    for spot in FAST:
        dispatcher.next(spot, FAST, 0.0)
    dispatcher.add(Turn("photo", NORMAL, 2, whole=True), 1.0)
    dispatcher.add(Turn("urgent", HIGH, 3, whole=True), 1.0)
    dispatcher.done("film", FAST[1].id)
    assert dispatcher.next(FAST[1], FAST, 1.0) == ("urgent", BEGIN)
    dispatcher.done("film", FAST[0].id)
    assert dispatcher.next(FAST[0], FAST, 1.0) == ("photo", BEGIN)


def test_pictures_without_end_and_a_film_share_one_place() -> None:
    dispatcher, made = Dispatcher(), []
    begun(dispatcher, "film", 9, FAST[0])
    for number in range(6):
        dispatcher.add(Turn(f"photo-{number}", NORMAL, 2 + number, whole=True), 0.0)
        chosen = dispatcher.next(FAST[0], FAST[:1], 0.0)
        assert chosen is not None
        made.append(chosen[0].partition("-")[0])
        dispatcher.done(chosen[0], FAST[0].id)
        if chosen[0] != "film":
            dispatcher.remove(chosen[0])
    assert made == ["photo", "film"] * 3


def test_two_films_share_the_places() -> None:
    dispatcher = Dispatcher()
    begun(dispatcher, "first", 9, FAST[0])
    begun(dispatcher, "second", 9, FAST[0], number=2)
    assert [dispatcher.next(spot, FAST, 0.0) for spot in FAST] == [("first", 0), ("second", 0)]


def test_no_more_places_than_a_job_may_have() -> None:
    dispatcher = Dispatcher(most_places=2)
    begun(dispatcher, "film", 9, SLOW[0])
    assert [dispatcher.next(spot, SLOW, 0.0) for spot in SLOW] == [("film", 0), ("film", 1), None]


def test_a_film_begins_on_the_kind_that_is_faster_in_all() -> None:
    dispatcher, spots = Dispatcher(), [*FAST, *SLOW]
    dispatcher.measured("", "RTX 4090", 100, 10)
    dispatcher.measured("", "RTX 3060", 40, 10)
    dispatcher.add(Turn("film", NORMAL, 1), 0.0)
    assert dispatcher.next(SLOW[0], spots, 0.0) is None
    assert dispatcher.next(FAST[0], spots, 0.0) == ("film", BEGIN)
    dispatcher.add(Turn("photo", NORMAL, 2, whole=True), 0.0)
    assert dispatcher.next(SLOW[0], spots, 0.0) == ("photo", BEGIN)


def test_the_model_in_memory_is_preferred_for_a_minute() -> None:
    dispatcher, spot = Dispatcher(), replace(FAST[0], model="7b")
    dispatcher.add(Turn("other", NORMAL, 1, whole=True, model="3b"), 0.0)
    dispatcher.add(Turn("same", NORMAL, 2, whole=True, model="7b"), 0.0)
    assert dispatcher.next(spot, [spot], 1.0) == ("same", BEGIN)
    dispatcher.done("same", spot.id)
    dispatcher.add(Turn("again", NORMAL, 3, whole=True, model="7b"), 0.0)
    assert dispatcher.next(spot, [spot], PATIENCE_S) == ("other", BEGIN)


def test_a_unit_goes_where_its_model_is() -> None:
    dispatcher = Dispatcher()
    lacking, having = replace(SLOW[0], models={"nano": ""}), replace(SLOW[1], models={"nano": "", "7b": "aa"})
    dispatcher.add(Turn("photo", NORMAL, 1, whole=True, model="7b"), 0.0)
    assert dispatcher.next(lacking, [lacking, having], 0.0) is None
    assert dispatcher.lacks_model("photo", [lacking]) == "7b"
    assert dispatcher.lacks_model("photo", [lacking, having]) == ""
    assert dispatcher.next(having, [lacking, having], 0.0) == ("photo", BEGIN)


def with_models(spot: Spot, **models: str) -> Spot:
    return replace(spot, models=models)


def planned_with(dispatcher: Dispatcher, spot: Spot, **hashes: str) -> None:
    """A film of three segments, planned with such files."""
    dispatcher.add(Turn("film", NORMAL, 1, model="own"), 0.0)
    assert dispatcher.next(spot, [spot], 0.0) == ("film", BEGIN)
    dispatcher.done("film", spot.id)
    dispatcher.planned("film", range(3), spot.kind, "own", hashes)


def test_a_place_with_another_file_of_that_name_gets_no_segment() -> None:
    dispatcher = Dispatcher()
    first, same, other = (with_models(spot, own=sha) for spot, sha in zip(SLOW, ("aa", "aa", "bb"), strict=True))
    planned_with(dispatcher, first, own="aa")
    spots = [first, same, other]
    assert [dispatcher.next(spot, spots, 0.0) for spot in (other, same)] == [None, ("film", 0)]
    assert dispatcher.others("film", spots) == {}
    assert dispatcher.others("film", [other]) == {other.machine: "own"}
    # Once it has the same file, it takes part.
    assert dispatcher.next(replace(other, models={"own": "aa"}), spots, 0.0) == ("film", 1)


def test_another_vae_counts_likewise_and_what_is_not_known_does_not() -> None:
    dispatcher = Dispatcher()
    first, other = with_models(SLOW[0], own="aa", VAE="11"), with_models(SLOW[1], own="aa", VAE="22")
    unknown = with_models(SLOW[2], own="", VAE="")
    planned_with(dispatcher, first, own="aa", VAE="11")
    spots = [first, other, unknown]
    assert [dispatcher.next(spot, spots, 0.0) for spot in (other, unknown)] == [None, ("film", 0)]
    assert dispatcher.others("film", [other]) == {other.machine: VAE}


def test_what_was_begun_goes_on_with_its_file_and_is_begun_anew_where_nobody_has_it() -> None:
    right, other = with_models(SLOW[0], own="aa"), with_models(SLOW[1], own="bb")
    dispatcher = Dispatcher()
    dispatcher.add(Turn("film", NORMAL, 1, model="own", hashes={"own": "aa"}), 0.0)
    assert dispatcher.next(other, [right, other], 0.0) is None
    assert dispatcher.next(right, [right, other], 0.0) == ("film", BEGIN)
    dispatcher.taken_back("film", right.id)
    assert dispatcher.next(other, [other], 0.0) == ("film", BEGIN)


def test_a_place_that_fetches_by_itself_lacks_no_model_but_may_have_another_file() -> None:
    dispatcher = Dispatcher()
    fetching = replace(SLOW[1], models={"nano": ""}, fetches=True)
    planned_with(dispatcher, with_models(SLOW[0], own="aa"), own="aa")
    assert dispatcher.next(fetching, [fetching], 0.0) == ("film", 0)
    assert dispatcher.next(replace(SLOW[2], models={"own": "bb"}, fetches=True), [fetching], 0.0) is None


def test_two_machines_on_which_it_fails_fail_a_job_and_are_named() -> None:
    dispatcher = Dispatcher()
    begun(dispatcher, "film", 2, SLOW[0])
    assert dispatcher.next(SLOW[0], SLOW, 0.0) == ("film", 0)
    assert dispatcher.failed("film", SLOW[0].id, "slow-0", SLOW) == (Verdict.AGAIN, ("slow-0",))
    assert dispatcher.next(SLOW[0], SLOW, 0.0) == ("film", 1), "not the one that failed there"
    assert dispatcher.next(SLOW[1], SLOW, 0.0) == ("film", 0)
    assert dispatcher.failed("film", SLOW[1].id, "slow-1", SLOW) == (Verdict.GIVEN_UP, ("slow-0", "slow-1"))


def test_what_fails_on_the_only_machine_is_given_up_at_once() -> None:
    dispatcher = Dispatcher()
    begun(dispatcher, "film", 2, FAST[0])
    dispatcher.next(FAST[0], FAST, 0.0)
    assert dispatcher.failed("film", FAST[0].id, "fast", FAST) == (Verdict.GIVEN_UP, ("fast",))


def test_where_memory_runs_out_a_larger_card_is_next_and_then_a_smaller_plan() -> None:
    small, large = replace(SLOW[0], free_mb=8_000), replace(SLOW[1], free_mb=11_000)
    dispatcher = Dispatcher()
    begun(dispatcher, "film", 1, small)
    dispatcher.next(small, [small, large], 0.0)
    assert dispatcher.out_of_memory("film", small, [small, large]) is Verdict.AGAIN
    assert dispatcher.next(small, [small, large], 0.0) is None
    assert dispatcher.next(large, [small, large], 0.0) == ("film", 0)
    assert dispatcher.out_of_memory("film", large, [small, large]) is Verdict.SMALLER


def test_a_unit_is_lost_three_times_and_not_more() -> None:
    dispatcher = Dispatcher(attempts=3)
    begun(dispatcher, "film", 1, FAST[0])
    for last in (False, False, True):
        dispatcher.next(FAST[0], FAST, 0.0)
        verdict, machines = dispatcher.lost("film", FAST[0].id, "fast")
        assert (verdict, machines) == (Verdict.GIVEN_UP if last else Verdict.AGAIN, ("fast",))


def test_what_is_taken_back_is_no_fault() -> None:
    dispatcher = Dispatcher(attempts=1)
    begun(dispatcher, "film", 1, FAST[0])
    for _ in range(5):
        assert dispatcher.next(FAST[0], FAST, 0.0) == ("film", 0)
        dispatcher.taken_back("film", FAST[0].id)


class AnyOrder(RuleBasedStateMachine):
    """Jobs come and go, places work, fail and vanish: no unit is lost, none is made twice or at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatcher = Dispatcher(attempts=10**6)
        self.spots = {spot.id: spot for spot in (*FAST, *SLOW)}
        self.busy: dict[str, tuple[str, int]] = {}
        self.left: dict[str, set[int]] = {}
        self.kinds: dict[str, str] = {}
        self.numbers = 0

    @rule(units=st.integers(1, 6), high=st.booleans())
    def add(self, units: int, high: bool) -> None:
        self.numbers += 1
        job = f"job-{self.numbers}"
        self.dispatcher.add(Turn(job, HIGH if high else NORMAL, self.numbers), 0.0)
        self.left[job] = {BEGIN, *range(100, 100 + units)}

    @rule(name=st.sampled_from([spot.id for spot in (*FAST, *SLOW)]))
    def give(self, name: str) -> None:
        if name in self.busy or name not in self.spots:
            return
        before = {job: len(self.dispatcher.running(job)) for job in self.left}
        chosen = self.dispatcher.next(self.spots[name], list(self.spots.values()), 0.0)
        if chosen is None:
            return
        job, index = chosen
        assert chosen not in self.busy.values(), "at two places"
        assert index in self.left[job], "made twice"
        assert self.kinds.get(job) in (None, self.spots[name].kind), "pinned to another kind"
        fewer = [
            other
            for other, count in before.items()
            if count < before[job]
            and self.kinds.get(other) == self.spots[name].kind
            and self._rank(other) == self._rank(job)
            and self.left[other] - {unit for owner, unit in self.busy.values() if owner == other}
        ]
        assert not fewer, "another one had fewer places"
        self.busy[name] = chosen

    def _rank(self, job: str) -> tuple[bool, int]:
        return self.dispatcher._jobs[job].turn.rank

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), how=st.sampled_from(["done", "done", "done", "lost", "back", "vanish"]))
    def end(self, data: st.DataObject, how: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.busy)))
        job, index = self.busy.pop(name)
        if how == "lost":
            assert self.dispatcher.lost(job, name, self.spots[name].machine)[0] is Verdict.AGAIN
        elif how in ("back", "vanish"):
            self.dispatcher.taken_back(job, name)
            if how == "vanish" and len(self.spots) > 1:
                del self.spots[name]
        else:
            assert self.dispatcher.done(job, name) == index
            self.left[job].discard(index)
            if index == BEGIN:
                self.kinds[job] = self.spots[name].kind
                self.dispatcher.planned(job, self.left[job], self.spots[name].kind, "")
            if not self.left[job]:
                assert self.dispatcher.remove(job) == []
                del self.left[job]

    @rule()
    def come_back(self) -> None:
        self.spots |= {spot.id: spot for spot in (*FAST, *SLOW) if spot.id not in self.busy}

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.left)))
        places = {name for name, (owner, _) in self.busy.items() if owner == job}
        assert set(self.dispatcher.remove(job)) == places
        for name in places:
            del self.busy[name]
        del self.left[job]

    @invariant()
    def what_runs_is_known(self) -> None:
        for job in self.left:
            known = self.dispatcher.running(job)
            assert known == {name: index for name, (owner, index) in self.busy.items() if owner == job}

    def teardown(self) -> None:
        """All that is left gets done."""
        self.come_back()
        for _ in range(1000):
            if not self.left:
                return
            for name in sorted(self.spots):
                self.give(name)
            for name in sorted(self.busy):
                job, index = self.busy.pop(name)
                self.dispatcher.done(job, name)
                self.left[job].discard(index)
                if index == BEGIN:
                    self.kinds[job] = self.spots[name].kind
                    self.dispatcher.planned(job, self.left[job], self.spots[name].kind, "")
                if not self.left[job]:
                    self.dispatcher.remove(job)
                    del self.left[job]
        raise AssertionError(f"never made: {self.left}")


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


HASHES = st.sampled_from(["", "aa", "bb"])
FILES = st.fixed_dictionaries({}, optional={"own": HASHES, VAE: HASHES, "nano": st.just("")})
SPOTS = st.lists(st.tuples(FILES, st.booleans(), st.sampled_from(["RTX 3060", "RTX 4090"])), min_size=1, max_size=5)
WANTED = st.fixed_dictionaries({}, optional={"own": HASHES, VAE: HASHES})


@given(there=SPOTS, wanted=WANTED, units=st.integers(1, 6), mixed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_segment_goes_where_a_file_is_known_to_be_another_and_all_others_get_one(
    there: list[tuple[dict[str, str], bool, str]], wanted: dict[str, str], units: int, mixed: bool
) -> None:
    dispatcher = Dispatcher(mixed=mixed)
    spots = [
        Spot(f"m-{number}:0", f"m-{number}", kind, models=files, fetches=fetches)
        for number, (files, fetches, kind) in enumerate(there)
    ]
    planner = Spot("planner:0", "planner", "RTX 3060")
    dispatcher.add(Turn("film", NORMAL, 1, model="own"), 0.0)
    assert dispatcher.next(planner, [planner], 0.0) == ("film", BEGIN)
    dispatcher.done("film", planner.id)
    dispatcher.planned("film", range(units), planner.kind, "own", wanted)

    def other(spot: Spot) -> bool:
        return any(sha and spot.models.get(name) and spot.models[name] != sha for name, sha in wanted.items())

    def able(spot: Spot) -> bool:
        return (not spot.models or spot.fetches or "own" in spot.models) and (mixed or spot.kind == planner.kind)

    got = {spot.id for spot in spots if dispatcher.next(spot, spots, 0.0) is not None}
    right = [spot.id for spot in spots if able(spot) and not other(spot)]
    assert got == set(right[:units])
    machines = {spot.machine for spot in spots if able(spot)}
    assert set(dispatcher.others("film", spots)) == (set() if right else machines)


@given(there=SPOTS, wanted=WANTED)
@settings(max_examples=100, deadline=None)
def test_somebody_begins_whoever_is_there_with_the_model_and_the_right_file_goes_first(
    there: list[tuple[dict[str, str], bool, str]], wanted: dict[str, str]
) -> None:
    dispatcher = Dispatcher(mixed=True)
    spots = [Spot(f"m-{n}:0", f"m-{n}", kind, models=files) for n, (files, _, kind) in enumerate(there)]
    dispatcher.add(Turn("film", NORMAL, 1, model="own", hashes=wanted), 0.0)
    having = [spot for spot in spots if not spot.models or "own" in spot.models]
    right = [
        spot
        for spot in having
        if not any(sha and spot.models.get(name) and spot.models[name] != sha for name, sha in wanted.items())
    ]
    chosen = next((spot for spot in spots if dispatcher.next(spot, spots, 0.0) is not None), None)
    assert chosen == next(iter(right or having), None)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_no_film_waits_while_another_one_has_two_places_more(units: list[int], places: int) -> None:
    dispatcher = Dispatcher()
    spots = [Spot(f"m:{number}", "m", "card") for number in range(places)]
    for number, count in enumerate(units):
        begun(dispatcher, f"film-{number}", count, spots[0], number=number)
    left = {f"film-{number}": count for number, count in enumerate(units)}
    while any(left.values()):
        for spot in spots:
            dispatcher.next(spot, spots, 0.0)
        running = {job: len(dispatcher.running(job)) for job in left}
        waiting = [job for job, count in left.items() if count > running[job]]
        assert all(max(running.values()) - running[job] <= 1 for job in waiting)
        for job in left:
            for place in list(dispatcher.running(job)):
                dispatcher.done(job, place)
                left[job] -= 1
