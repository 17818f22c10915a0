from __future__ import annotations

import pytest

from benchmarks.cases import all_cases, selected


def names(*words: str) -> list[str]:
    return [case.name for case in selected(list(words))]


def test_a_name_stands_for_what_begins_with_its_words() -> None:
    assert names("vae-1x384") == ["vae-1x384-encode", "vae-1x384-decode"]
    assert names("vae-1x384-decode") == ["vae-1x384-decode"]
    assert len(names("3b")) == len(names("7b")) == 8
    # Not of another word that begins alike, and each once.
    assert names("frames-5", "frames-5") == ["frames-5"]


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(ValueError, match="'vae-1x38'"):
        selected(["vae-1x38"])


def test_some_cases_are_for_minutes_and_all_networks_can_be_compared() -> None:
    cases = all_cases()
    assert 0 < sum(case.quick for case in cases.values()) < len(cases)
    assert not any(case.quick for name, case in cases.items() if name.startswith("7b"))
    assert all(
        bool(case.network) == name.startswith(("vae", "3b", "7b")) for name, case in cases.items() if "load" not in name
    )
