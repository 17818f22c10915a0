"""`seedvr2d cluster status`."""

from __future__ import annotations

from tests.daemon.client.conftest import Command


def test_what_is_not_on_has_no_places(command: Command) -> None:
    ended = command("cluster", "status")
    assert (ended.status, ended.out) == (0, "mode off, 0 places\n")
    assert command("cluster", "status", "--json").objects == [
        {"mode": "off", "places": [], "problems": [], "lacking": []}
    ]
