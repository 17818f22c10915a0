"""Which of the machines that Ray shows get work; no Ray is started for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.cluster import members
from daemon.cluster import messages as say
from daemon.cluster.head import LABEL
from daemon.cluster.members import doorkeeper

pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")


def node(name: str, head: bool = False) -> dict[str, Any]:
    """A machine with one GPU, as `ray.nodes` shows it."""
    resources = {"GPU": 1.0} | ({"node:__internal_head__": 1.0} if head else {})
    labels = {} if head or not name else {LABEL: name}
    return {"NodeID": f"id of {name}", "NodeManagerHostname": "host", "Labels": labels, "Resources": resources}


class Yard:
    """A floor that is shown machines."""

    def __init__(self, folder: Path) -> None:
        from daemon.cluster.bench import Bench
        from daemon.cluster.floor import Floor

        self.folder = folder
        self.told: dict[str, say.Place] = {}
        setup = say.Setup(1, "head", "", [], 0, "", {}, str(folder), {}, 0.0, "info", "text")
        self.floor = Floor(self._hear, Bench, setup)

    def _hear(self, message: say.FromGateway) -> None:
        if isinstance(message, say.Seen):
            self.told[message.place.id] = message.place

    def look(self, *nodes: dict[str, Any]) -> dict[str, tuple[str, str]]:
        self.floor._see(list(nodes), doorkeeper(str(self.folder)))
        return {name: (place.state, place.why) for name, place in self.told.items()}


def test_a_machine_that_is_not_on_the_list_gets_no_work_until_it_is(tmp_path: Path) -> None:
    members.add(tmp_path, "studio-2")
    yard = Yard(tmp_path)
    nodes = node("head", head=True), node("studio-2"), node("studio-3"), node("")
    seen = yard.look(*nodes)
    # Those that get work are told of once they have said what they are.
    assert set(seen) == {"studio-3:0", "host-id of :0"}
    state, why = seen["studio-3:0"]
    assert state == "refused" and "seedvr2d cluster add studio-3 > studio-3.join" in why and "cluster rotate" in why
    assert "did not join with a file" in seen["host-id of :0"][1]
    members.add(tmp_path, "studio-3")
    assert yard.look(*nodes)["studio-3:0"] == ("loading", "")


def test_a_machine_that_is_taken_off_the_list_finishes_what_it_has(tmp_path: Path) -> None:
    members.add(tmp_path, "studio-2")
    yard = Yard(tmp_path)
    yard.look(node("studio-2"))
    (bay,) = yard.floor._bays.values()
    yard.floor._tell(bay, kind="card", state="busy", unit="attempt", model="nano")
    members.remove(tmp_path, "studio-2")
    assert yard.look(node("studio-2"))["studio-2:0"] == ("busy", "")
    yard.floor._tell(bay, state="idle", unit="")
    assert yard.told["studio-2:0"].state == "refused" and "not on the list" in yard.told["studio-2:0"].why
    assert yard.told["studio-2:0"].kind == ""
    yard.floor._begin(say.Run("next", "studio-2:0", {}))
    assert yard.told["studio-2:0"].unit == ""


def test_a_list_that_cannot_be_read_is_said_and_none_lets_all_in(tmp_path: Path) -> None:
    (tmp_path / members.FILE).write_text("[")
    assert "is damaged" in doorkeeper(str(tmp_path))("studio-2")
    assert doorkeeper("")("studio-2") == doorkeeper("")("") == ""
