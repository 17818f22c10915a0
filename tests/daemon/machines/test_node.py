"""What Ray is started with on a machine that joins."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.cluster.member import Start
from daemon.machines import node
from daemon.settings.config import load_config


def test_the_slots_find_the_configuration_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Joining:
        address, port, name, lost_s = "192.0.2.10", 8210, "studio-2", 10.0

    monkeypatch.setattr(node, "read_join_file", lambda _file: Joining)
    monkeypatch.setattr(node, "check_cluster", lambda *_: "192.0.2.11")
    monkeypatch.setattr(node, "check_machine", lambda *_: ["Well."])
    monkeypatch.setattr(node, "member_start", lambda *_, **_more: Start(("ray",), {"OTHER": "stays"}, tmp_path))
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "other.toml"
    named.write_text("[model]\ndevice = 'cpu'\n")
    said: list[str] = []
    start = node.check(tmp_path / "x.join", load_config(Path("other.toml"), {}), [], "all", said.append)
    # Ray runs elsewhere: a path that counts from here would mean nothing there.
    assert start.environment["SEEDVR2_CONFIG"] == str(named)
    assert start.environment["OTHER"] == "stays" and said == ["Well."]
    start = node.check(tmp_path / "x.join", load_config(None, {"HOME": str(tmp_path)}), [], "all", said.append)
    assert "SEEDVR2_CONFIG" not in start.environment
