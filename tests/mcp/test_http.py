"""`--http`: who may connect. What the tools do there is in test_protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

import mcp_server
from tests.mcp.conftest import PATIENCE, Host
from tests.mcp.seen import http_server

HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}  # fmt: skip
ACCEPT = {"Accept": "application/json, text/event-stream"}


def status(url: str, **headers: str) -> int:
    return requests.post(url, json=HELLO, headers=ACCEPT | headers, timeout=PATIENCE).status_code


def test_a_token_is_asked_for_and_foreign_pages_are_refused(home: Path) -> None:
    host = Host("http://127.0.0.1:9", home).with_environment(SEEDVR2_MCP_TOKEN="a-long-secret")
    with http_server(host) as url:
        assert status(url) == 401
        assert status(url, Authorization="Bearer wrong") == 401
        assert status(url, Authorization="Bearer ä".encode().decode("latin-1")) == 401
        known = {"Authorization": "Bearer a-long-secret"}
        assert status(url, **known) == 200
        # DNS rebinding: the page of another site, or its name for this machine.
        assert status(url, **known, Origin="https://evil.example") == 403
        assert status(url, **known, Host="evil.example") == 421


def test_an_open_address_needs_a_token(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDVR2_MCP_TOKEN", raising=False)
    assert mcp_server.main(["--http", "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "SEEDVR2_MCP_TOKEN" in capsys.readouterr().err


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with http_server(Host("http://127.0.0.1:9", home)) as url:
        port = url.rpartition(":")[2].partition("/")[0]
        assert mcp_server.main(["--http", "--port", port]) == 2
    assert f"127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err
