from __future__ import annotations

import pytest

from training.phases import PHASES, phases_from, rate_at


def test_a_run_may_begin_later_and_take_other_numbers_of_steps() -> None:
    last = PHASES[-1].name
    whole = phases_from(PHASES[0].name, {})
    assert whole == PHASES
    short = phases_from(last, {PHASES[0].name: 7, last: 9})
    assert [phase.steps for phase in short] == [0] * (len(PHASES) - 1) + [9]
    assert [phase.name for phase in short] == [phase.name for phase in PHASES]


def test_the_rate_warms_up_and_falls_from_end_to_end() -> None:
    rates = [rate_at(step, 1000, (1.0, 0.2)) for step in range(1001)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[500] == pytest.approx(0.6)
    assert rates[1000] == pytest.approx(0.2)
