"""The planner walks down until a job fits, never up again, and refuses what cannot fit before it starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from seedvr2.errors import NeverFitsError, OutOfMemoryError
from seedvr2.planning.card import Card, SimulatedLayer
from seedvr2.planning.plan import Plan, waiting_bytes, with_need
from seedvr2.planning.planner import Request, choose, next_smaller, swap_to_load, walk, with_margin
from seedvr2.planning.simulate import CARDS, MODELS, RESOLUTIONS, request_of

GIB = 1 << 30


def on(gigabytes: int, request: Request, others: int = 0) -> Plan:
    return choose(SimulatedLayer(gigabytes, others=others).card(), request)


def test_usable_is_what_is_free_and_what_is_our_own() -> None:
    card = Card("x", 24 * GIB, 10 * GIB, reserved=9 * GIB, allocated=7 * GIB, weights=4 * GIB)
    assert card.usable == (10 + 9 - 7 + 4) * GIB


def test_the_model_in_memory_does_not_count_against_itself() -> None:
    request = request_of("3B fp8", 1080, picture=False)
    layer = SimulatedLayer(24)
    plans = {choose(layer.card(weights), request) for weights in (0, request.facts.weights)}
    assert len(plans) == 1


def test_a_large_card_runs_whole_frames_and_a_smaller_one_smaller_tiles() -> None:
    request = request_of("3B fp8", 1080, picture=False)
    edges = [on(card, request).tile or 10**6 for card in CARDS]
    assert edges == sorted(edges) and edges[-1] == 10**6 and edges[0] <= 512


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("card", CARDS)
def test_every_published_model_has_a_plan_on_every_card(name: str, card: int) -> None:
    for resolution in RESOLUTIONS.values():
        for picture in (True, False):
            plan = on(card, request_of(name, resolution, picture=picture))
            assert with_margin(plan.need) <= SimulatedLayer(card).card().usable


def test_the_walk_gives_up_what_costs_least_first() -> None:
    plans = list(walk(request_of("7B fp16", 1080, picture=False, batch_size=21)))
    # With more frames at a time first; then with fewer, in less memory.
    assert [plan.tile for plan in plans[:8]] == [None, None, 1024, 1024, 768, 768, 512, 512]
    assert [plan.roomy for plan in plans[:8]] == [True, False] * 4
    assert all(lean.need < roomy.need for roomy, lean in zip(plans[:8:2], plans[1:8:2], strict=True))
    assert [plan.window for plan in plans[:24:8]] == [21, 9, 5]
    given_up: dict[str, Callable[[Plan], bool]] = {
        "window": lambda plan: plan.window < 21,
        "swap": lambda plan: plan.blocks_to_swap > 0,
        "turns": lambda plan: plan.in_turn,
        "small tiles": lambda plan: plan.tile == 256,
        "single frames": lambda plan: plan.window == 1,
    }
    first = [next(i for i, plan in enumerate(plans) if test(plan)) for test in given_up.values()]
    assert first == sorted(first)
    assert all(plan.window % 4 == 1 for plan in plans)
    assert len({str(plan.settings) for plan in plans}) == len(plans)


@pytest.mark.parametrize("name", MODELS)
def test_the_retry_takes_less_in_every_respect_down_to_the_last(name: str) -> None:
    request = request_of(name, 1080, picture=False, batch_size=13, temporal_overlap=4)
    plan, steps = next(iter(walk(request))), 0
    while (smaller := next_smaller(plan, request)) is not None:
        assert smaller.need < plan.need
        assert (smaller.tile or 10**6) <= (plan.tile or 10**6) and smaller.window <= plan.window
        assert smaller.blocks_to_swap >= plan.blocks_to_swap and smaller.in_turn >= plan.in_turn
        assert smaller.overlap < smaller.window
        assert plan.words() in smaller.reasons[0]
        plan, steps = smaller, steps + 1
    assert steps >= 4 and plan.window == 1


def test_options_force_their_part() -> None:
    forced = request_of("3B fp16", 1080, picture=True, vae_tiling="on", vae_quality="medium", blocks_to_swap=4)
    assert {(plan.tile, plan.blocks_to_swap, plan.in_turn) for plan in walk(forced)} == {(768, 4, False)}
    assert "vae_quality = medium, as asked for." in on(80, forced).reasons
    whole = request_of("3B fp16", 1080, picture=True, vae_tiling="off")
    assert {plan.tile for plan in walk(whole)} == {None}
    low = request_of("3B fp16", 2160, picture=False, vae_quality="low")
    assert {plan.tile for plan in walk(low)} == {None, 512, 384, 256}


def test_tiles_larger_than_the_frame_are_the_whole_frame() -> None:
    assert {plan.tile for plan in walk(request_of("3B fp8", 360, picture=True, source=(480, 360)))} == {None, 384, 256}


def test_the_overlap_stays_as_asked_for_while_the_batch_does() -> None:
    plans = list(walk(request_of("3B fp8", 1080, picture=False, batch_size=21, temporal_overlap=8)))
    overlaps = {plan.window: plan.overlap for plan in plans}
    assert overlaps == {21: 8, 9: 4, 5: 2, 1: 0}


def test_what_can_never_fit_says_what_would_and_that_does() -> None:
    request = request_of("7B fp16", 16384, picture=True, source=(4000, 4000))
    with pytest.raises(NeverFitsError, match=r"16384 x 16384 pixels with 7B fp16 takes \d+\.\d GB") as caught:
        on(24, request)
    found = re.search(r"use resolution = (\d+) or less", str(caught.value))
    assert found
    assert on(24, request_of("7B fp16", int(found[1]), picture=True, source=(4000, 4000)))
    with pytest.raises(NeverFitsError):
        on(24, request_of("7B fp16", int(found[1]) * 3 // 2, picture=True, source=(4000, 4000)))


def test_where_a_scale_is_asked_for_a_resolution_is_advised_in_its_place() -> None:
    request = request_of("7B fp16", 1080, picture=True, source=(4000, 4000), scale=4)
    with pytest.raises(
        NeverFitsError, match=r"16000 x 16000 .* use resolution = \d+ or less instead of scale"
    ) as caught:
        on(24, request)
    found = re.search(r"use resolution = (\d+) or less", str(caught.value))
    assert found and on(24, request_of("7B fp16", int(found[1]), picture=True, source=(4000, 4000)))


def test_an_option_that_makes_it_impossible_is_named() -> None:
    with pytest.raises(NeverFitsError, match="leave vae_tiling, vae_quality and blocks_to_swap at their defaults"):
        on(12, request_of("3B fp8", 2160, picture=False, vae_tiling="off"))


def test_a_card_that_others_fill_is_no_reason_to_call_it_impossible() -> None:
    request = request_of("3B fp8", 1080, picture=True)
    with pytest.raises(OutOfMemoryError, match="try again when they have ended") as caught:
        on(12, request, others=10 * GIB)
    assert not isinstance(caught.value, NeverFitsError)


@pytest.mark.parametrize("source", [(5000, 2), (2, 5000), (2000, 20)])
@pytest.mark.parametrize("picture", [True, False])
def test_lines_of_pixels_are_planned_like_any_other_size(source: tuple[int, int], picture: bool) -> None:
    plan = on(8, request_of("3B fp8", 1080, picture=picture, source=source))
    assert with_margin(plan.need) <= 8 * GIB


def test_a_plan_survives_json_and_says_why() -> None:
    plan = on(12, request_of("7B fp16", 1080, picture=False))
    assert Plan.from_dict(plan.as_dict()) == plan
    assert plan.reasons[0].startswith("Not whole frames, batches of 5, more frames at a time: needs ") and plan.reasons[
        0
    ].endswith(" GB.")
    assert plan.words() in plan.reasons[-1].lower() or plan.reasons[-1].lower().startswith(plan.words().lower())


def test_more_precise_types_and_alpha_take_more() -> None:
    request = request_of("3B fp8", 1080, picture=False)
    plan = next(iter(walk(request)))
    alpha = replace(request.work, alpha=True)
    assert with_need(plan, request.facts, alpha).need > plan.need
    assert with_need(plan, request.facts, request.work, itemsize=4).need > 1.5 * plan.need


def test_a_model_that_is_larger_than_the_card_is_loaded_in_part() -> None:
    small, large = (SimulatedLayer(gigabytes).card() for gigabytes in (12, 24))
    facts = request_of("7B fp16", 1080, picture=True).facts
    assert swap_to_load(large, facts) == 0
    swap = swap_to_load(small, facts)
    assert 0 < swap <= 36 and facts.weights - sum(facts.blocks[:swap]) + 2 * GIB <= small.usable


def test_on_the_processor_no_block_has_another_place_to_go() -> None:
    request = replace(request_of("3B fp8", 1080, picture=True), swappable=False)
    assert {(plan.blocks_to_swap, plan.in_turn, plan.roomy) for plan in walk(request)} == {(0, False, False)}


def _stitched(request: Request) -> Request:
    return replace(request, work=replace(request.work, stitched=True))


def test_one_pass_over_a_shot_takes_what_many_slices_take() -> None:
    batch = request_of("3B fp16", 1080, picture=False)
    facts, work = batch.facts, batch.work
    lean, roomy = Plan(None, 5), Plan(None, 5, roomy=True)
    needs = {
        (plan.roomy, stitched): with_need(plan, facts, replace(work, stitched=stitched)).need
        for plan in (lean, roomy)
        for stitched in (False, True)
    }
    assert needs[False, False] < needs[False, True] < needs[False, False] * 1.06
    # What a slice leaves for the next one, which a batch of one slice has none of.
    assert needs[True, True] - needs[True, False] == pytest.approx(1.02 * 7000 * 1920 * 1088, rel=0.15)
    assert waiting_bytes(lean, facts, work) == waiting_bytes(roomy, facts, replace(work, stitched=True)) == 0
    assert waiting_bytes(lean, facts, replace(work, stitched=True)) == pytest.approx(17 * GIB, rel=0.15)


def test_what_would_have_to_wait_finds_room_in_main_memory() -> None:
    request, card = _stitched(request_of("3B fp8", 1080, picture=False)), SimulatedLayer(16).card()
    plenty, little = choose(card, request, spare=64 * GIB), choose(card, request, spare=6 * GIB)
    assert plenty == replace(choose(card, request), reasons=plenty.reasons)
    assert waiting_bytes(little, request.facts, request.work) <= 6 * GIB
    assert (little.tile or 10**6) < (plenty.tile or 10**6) or little.roomy > plenty.roomy
    # Rather with what there is than not at all.
    assert choose(card, request, spare=0).need > 0
