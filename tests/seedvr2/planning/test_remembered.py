"""What ended well on a card is tried first; what did not is not tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seedvr2.planning.card import SimulatedLayer
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import choose, next_smaller
from seedvr2.planning.remembered import Remembered
from seedvr2.planning.simulate import request_of

GIB = 1 << 30
CARD = SimulatedLayer(24).card()
REQUEST = request_of("3B fp8", 1080, picture=False)


def test_a_plan_that_failed_is_not_chosen_again_even_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "memory.json"
    memory = Remembered(path)
    failed = choose(CARD, REQUEST)
    memory.ran_out(CARD, REQUEST, failed)
    # Nor is one that asks for more, though it was never run.
    larger = Plan(None, failed.window, roomy=True)
    assert memory.history(CARD, REQUEST).failed(larger) and failed.within(larger)
    smaller = next_smaller(failed, REQUEST)
    assert smaller is not None
    memory.ended_well(CARD, REQUEST, smaller, 9 * GIB)
    again = choose(CARD, REQUEST, Remembered(path).history(CARD, REQUEST))
    assert again.settings == smaller.settings and "before" in again.reasons[0]
    other = request_of("3B fp8", 720, picture=False)
    assert choose(CARD, other, Remembered(path).history(CARD, other)) == choose(CARD, other)


def test_a_measured_peak_counts_where_it_is_more_than_was_counted() -> None:
    memory = Remembered(None)
    first = choose(CARD, REQUEST)
    memory.ended_well(CARD, REQUEST, first, 23 * GIB)
    again = choose(CARD, REQUEST, memory.history(CARD, REQUEST))
    assert again.need < 23 * GIB and again.settings != first.settings
    memory.ended_well(CARD, REQUEST, first, 1 * GIB)
    assert choose(CARD, REQUEST, memory.history(CARD, REQUEST)).need == first.need


def test_what_worked_while_others_filled_the_card_says_nothing_of_the_card() -> None:
    memory = Remembered(None)
    crowded = SimulatedLayer(24, others=12 * GIB).card()
    small = choose(crowded, REQUEST)
    memory.ended_well(crowded, REQUEST, small, 0)
    alone = choose(CARD, REQUEST, memory.history(CARD, REQUEST))
    assert alone.settings == choose(CARD, REQUEST).settings != small.settings


def test_options_still_force_what_was_remembered_otherwise() -> None:
    memory = Remembered(None)
    memory.ended_well(CARD, REQUEST, choose(CARD, REQUEST), 0)
    forced = request_of("3B fp8", 1080, picture=False, vae_tiling="on", vae_quality="low")
    assert choose(CARD, forced, memory.history(CARD, forced)).tile == 512


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"a": {"worked": {"tiles": 3}}}', '{"a": 1}', '{"a": {"failed": [3]}}', "\xff"]
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "memory.json"
    path.write_text(text, encoding="latin-1")
    memory = Remembered(path)
    assert memory.history(CARD, REQUEST).worked() is None
    plan = choose(CARD, REQUEST)
    memory.ended_well(CARD, REQUEST, plan, 0)
    assert len(json.loads(path.read_text())) == 1


def test_a_file_that_cannot_be_written_stops_no_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    memory = Remembered(tmp_path / "file" / "memory.json")
    memory.ended_well(CARD, REQUEST, choose(CARD, REQUEST), 0)
    assert memory.history(CARD, REQUEST).worked() is not None
