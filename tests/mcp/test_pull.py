"""`pull_model` and `remove_model`, from a host to the disk of a running service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.client.client import Client

from tests.daemon.conftest import Running
from tests.daemon.engine.test_pulls import MODEL
from tests.daemon.hub import hub_of
from tests.mcp.conftest import PATIENCE, Host, Stub, text_of
from tests.mcp.seen import play
from tests.seedvr2.catalogue.hub import Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, running: Running) -> Iterator[Hub]:
    with hub_of(running, monkeypatch) as server:
        yield server


def test_a_model_is_fetched_and_removed(live: Host, running: Running, hub: Hub) -> None:
    path = running.config.paths.models[0] / MODEL
    heard: list[str] = []

    async def on_progress(_progress: float, _total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def scene() -> None:
        async with Client(live.parameters(), read_timeout_seconds=PATIENCE) as client:
            done = await client.call_tool("pull_model", {"model": "3b-q6"}, progress_callback=on_progress)
            assert not done.is_error, done.content
            assert path.exists()
            assert heard[-1] == "done"
            again = await client.call_tool("pull_model", {"model": MODEL})
            assert '"installed"' in again.content[0].text
            gone = await client.call_tool("remove_model", {"model": "3b-q6"})
            assert not gone.is_error and not path.exists()
            unknown = await client.call_tool("pull_model", {"model": "seedvr9"})
            assert unknown.is_error and "Did you mean" in unknown.content[0].text
            hub.files.clear()
            nobody = await client.call_tool("pull_model", {"model": MODEL, "machine": "studio-2"})
            assert nobody.is_error and "The cluster is off" in nobody.content[0].text
            failed = await client.call_tool("pull_model", {"model": MODEL})
            assert failed.is_error and "could not be fetched" in failed.content[0].text

    play(scene)


def test_on_another_machine_it_is_that_download_which_is_waited_for(stub: Stub, tmp_path: Path) -> None:
    here = {"model": MODEL, "machine": None, "state": "failed", "error": "No.", "file": MODEL, "percent": 5}
    there = here | {"machine": "studio-2", "state": "done", "error": None}
    answers = [{"status": "pulling", "model": MODEL, "pull": there}, {"pulls": [here, there]}]
    stub.reply = lambda path: (200, answers.pop(0))
    told = Host(stub.url, tmp_path).call("pull_model", model="3b-q6", machine="studio-2")
    assert not told.get("isError") and '"installed"' in text_of(told)
