"""Clients that others wrote: the inspector of the protocol's authors, and fastmcp. Fetched when the tests run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import Running, picture
from tests.mcp.conftest import SCRIPT, Host
from tests.mcp.seen import http_server
from tests.mcp.test_protocol import BEYOND, DOCUMENTED

FETCH_S = 600
FASTMCP = """
import asyncio, json, sys
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError

async def main(server, source):
    if not server.startswith("http"):
        command, script, environment = json.loads(server)
        server = StdioTransport(command=command, args=[script], env=environment)
    async with Client(server) as client:
        tools = [tool.name for tool in await client.list_tools()]
        submitted = (await client.call_tool("submit_image_task", {"file_path": source, "seed": 7})).structured_content
        ended = await client.call_tool("wait_for_task", {"task_id": submitted["task_id"], "poll_interval": 0})
        try:
            await client.call_tool("submit_image_task", {"file_path": source, "sed": 7})
        except ToolError as error:
            refused = str(error)
        kinds = [block.type for block in ended.content]
    status = ended.structured_content
    print(json.dumps({"tools": tools, "seed": status["params"]["seed"], "kinds": kinds, "refused": refused}))

asyncio.run(main(*sys.argv[1:]))
"""


def fetched(*command: str | Path) -> None:
    """Run what needs the network; the test is skipped where there is none."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    if ended.returncode != 0:
        pytest.skip(f"cannot be fetched: {ended.stderr.strip()[-200:]}")


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs Node.js")
    folder = tmp_path_factory.mktemp("inspector")
    fetched(npm, "install", "--no-audit", "--no-fund", "--prefix", folder, "@modelcontextprotocol/inspector")
    return folder / "node_modules" / ".bin" / "mcp-inspector"


@pytest.fixture(scope="module")
def fastmcp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fastmcp")
    fetched(sys.executable, "-m", "venv", folder)
    fetched(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "fastmcp")
    return folder / "bin" / "python"


@pytest.fixture(params=["stdio", "http"])
def over(request: pytest.FixtureRequest, live: Host) -> Iterator[str]:
    """The address of a server of ours over HTTP; empty: the client starts one."""
    if request.param == "stdio":
        yield ""
    else:
        with http_server(live) as url:
            yield url


@pytest.mark.long
def test_the_inspector(inspector: Path, over: str, live: Host, home: Path, running: Running) -> None:
    source = picture(home / "a.png")
    names = ("SEEDVR2_API_URL", "HOME")
    variables = [part for name in names for part in ("-e", f"{name}={live.environment[name]}")]
    server = [over, "--transport", "http"] if over else [*variables, sys.executable, str(SCRIPT)]

    def ask(*arguments: str) -> dict[str, Any]:
        command = [inspector, "--cli", *server, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        assert ended.stdout, ended.stderr
        return dict(json.loads(ended.stdout))

    def call(tool: str, **given: str) -> dict[str, Any]:
        arguments = [part for name, value in given.items() for part in ("--tool-arg", f"{name}={value}")]
        return ask("--method", "tools/call", "--tool-name", tool, *arguments)

    assert {tool["name"] for tool in ask("--method", "tools/list")["tools"]} == set(DOCUMENTED | BEYOND)
    task = call("submit_image_task", file_path=str(source), scale="2", tf32="true")["structuredContent"]["task_id"]
    status = call("wait_for_task", task_id=task, poll_interval="0")
    assert [block["type"] for block in status["content"]] == ["text", "image", "resource_link"]
    assert (status["structuredContent"]["params"]["scale"], status["structuredContent"]["status"]) == (2, "completed")
    assert running.finished(task)["params"]["tf32"] is True
    (prompt,) = ask("--method", "prompts/list")["prompts"]
    assert prompt["name"] == "restore_folder"


@pytest.mark.long
def test_fastmcp(fastmcp: Path, over: str, live: Host, home: Path, running: Running) -> None:
    source = picture(home / "a.png")
    server = over or json.dumps([sys.executable, str(SCRIPT), live.environment])
    ended = subprocess.run(
        [fastmcp, "-c", FASTMCP, server, source], capture_output=True, text=True, timeout=FETCH_S, check=False
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert set(seen["tools"]) == set(DOCUMENTED | BEYOND)
    assert (seen["seed"], seen["kinds"]) == (7, ["text", "image", "resource_link"])
    assert seen["refused"] == "submit_image_task has no parameter 'sed'. Did you mean 'seed'?"
