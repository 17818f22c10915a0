"""Those who find no place are told when to come again, and a place is free again whatever became of its request."""

from __future__ import annotations

import pytest

from daemon.api.at_once import AtOnce
from daemon.errors import RequestError


def test_who_finds_no_place_is_told_when_to_come_again() -> None:
    at_once = AtOnce(2, "Too many are being made.", retry_s=5, patience_s=0.01)
    with at_once.place(), at_once.place():
        with pytest.raises(RequestError, match="Too many are being made") as refusal, at_once.place():
            pytest.fail("a third one was let in")
        assert refusal.value.status == 503
        assert refusal.value.headers == {"Retry-After": "5"}
    with at_once.place(), at_once.place():
        pass


def test_a_place_is_free_again_after_an_error() -> None:
    at_once = AtOnce(1, "Too many are being made.", retry_s=5)
    with pytest.raises(OSError), at_once.place():
        raise OSError(5, "Input/output error")
    with at_once.place():
        pass
