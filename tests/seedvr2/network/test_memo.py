"""What is kept is bounded, and forgotten together."""

from __future__ import annotations

from seedvr2.network.memo import Memo, forget_all


def test_the_last_few_are_kept() -> None:
    memo, made = Memo(2), []

    def value(key: str) -> str:
        return memo.get(key, lambda: made.append(key) or key.upper())  # type: ignore[func-returns-value]

    assert [value(key) for key in "abacab"] == list("ABACAB")
    # `b` was the one that nobody had asked for the longest.
    assert made == ["a", "b", "c", "b"] and len(memo) == 2


def test_all_are_forgotten_at_once() -> None:
    memos = Memo(3), Memo(3)
    for memo in memos:
        memo.get("x", lambda: None)
    forget_all()
    assert not any(len(memo) for memo in memos)
