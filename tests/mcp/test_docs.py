"""`docs/mcp.md` shows configurations that hosts can read, and the tools that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.mcp.conftest import ROOT
from tests.mcp.test_protocol import BEYOND, DOCUMENTED

PAGE = (ROOT / "docs" / "mcp.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
# The key under which each host looks for its servers.
KEYS = {"Claude Desktop": "mcpServers", "Claude Code": "mcpServers", "Cursor": "mcpServers", "VS Code": "servers"}


def configurations(section: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", SECTIONS[section], re.DOTALL)]


@pytest.mark.parametrize("host", KEYS)
def test_configurations_are_as_the_host_reads_them(host: str) -> None:
    shown = configurations(host)
    assert shown
    # The last one of Cursor is what the API document has, shown as what does not work.
    for configuration in shown[:1] if host == "Cursor" else shown:
        server = configuration[KEYS[host]]["seedvr2"]
        assert ("command" in server) != ("url" in server)
        assert server.get("type", "stdio") == ("http" if "url" in server else "stdio")


def test_the_example_of_the_api_document_is_shown_as_it_stands() -> None:
    assert configurations("Cursor")[1] == {
        "servers": {
            "seedvr2": {
                "command": "python",
                "args": ["/path/to/mcp_server.py"],
                "env": {"SEEDVR2_API_URL": "http://localhost:8200"},
            }
        }
    }


def test_the_table_names_the_tools_with_their_parameters() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*?)\|", SECTIONS["Tools"], re.MULTILINE))
    assert set(rows) == set(DOCUMENTED | BEYOND)
    for tool, parameters in (DOCUMENTED | BEYOND).items():
        if rows[tool].endswith("… "):
            # The others are told at full length in the schema.
            told = re.findall(r"`(\w+)(?:=(.+?))?`", rows[tool])
            assert all(parameters[name] == (json.loads(value) if value else ...) for name, value in told)
        else:
            shown = [
                name if default is ... else f"{name}={json.dumps(default)}" for name, default in parameters.items()
            ]
            assert rows[tool].strip() == ", ".join(f"`{each}`" for each in shown)
