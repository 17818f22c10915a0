"""`pull`: what the API answers of downloads, said and waited for."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.client import pulling
from tests.daemon.client.conftest import Command
from tests.mcp.conftest import Stub
from tests.mcp.conftest import stub as stub

NAME = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"


def entry(state: str, **more: Any) -> dict[str, Any]:
    return {"model": NAME, "state": state, "percent": 25, "error": None} | more


@pytest.mark.parametrize(
    ("states", "status", "said"),
    [
        ([entry("fetching"), entry("verifying"), entry("done")], 0, f"{NAME}  done\n"),
        ([entry("failed", error="The disk is full.")], 1, f"{NAME}  failed: The disk is full.\n"),
        ([entry("cancelled")], 1, f"{NAME}  cancelled\n"),
    ],
)
def test_a_download_is_waited_for(
    stub: Stub, command: Command, monkeypatch: pytest.MonkeyPatch, states: list[dict[str, Any]], status: int, said: str
) -> None:
    monkeypatch.setattr(pulling, "ASKED_EVERY_S", 0.01)
    answers: list[Any] = [{"status": "pulling", "model": NAME, "pull": entry("waiting")}]
    answers += [{"pulls": [state]} for state in states]
    stub.reply = lambda path: (200, answers.pop(0))
    ended = command("pull", "3b-fp8", "--url", stub.url)
    assert (ended.status, ended.out, answers) == (status, said, [])


def test_what_is_there_and_what_is_not_waited_for(stub: Stub, command: Command) -> None:
    stub.replies["/api/models/pull"] = (200, {"status": "installed", "model": NAME, "pull": None})
    assert command("pull", "3b-fp8", "--url", stub.url).out == f"{NAME}  installed\n"
    stub.replies["/api/models/pull"] = (200, {"status": "pulling", "model": NAME, "pull": entry("waiting")})
    ended = command("pull", "3b-fp8", "--detach", "--json", "--url", stub.url)
    assert ended.status == 0 and ended.objects[0]["status"] == "pulling"


def test_on_another_machine_it_is_that_download_which_is_waited_for(stub: Stub, command: Command) -> None:
    elsewhere = {"machine": "studio-2"}
    answers: list[Any] = [
        {"status": "pulling", "model": NAME, "pull": entry("waiting", **elsewhere)},
        {"pulls": [entry("failed", machine=None, error="No."), entry("done", **elsewhere)]},
    ]
    stub.reply = lambda path: (200, answers.pop(0))
    ended = command("pull", "3b-fp8", "--machine", "studio-2", "--url", stub.url)
    assert (ended.status, ended.out) == (0, f"{NAME}  done\n")


def test_a_machine_is_refused_where_there_is_no_cluster(command: Command) -> None:
    ended = command("pull", "3b-fp8", "--machine", "studio-2")
    assert ended.status == 2 and ended.err.startswith("seedvr2d: The cluster is off")
