"""What `mcp_tools/rest.json` holds: the parameters and answers of the API, for the MCP server's tools.

The MCP server knows the API alone, and lists its tools also where no service runs; so it brings this file along.
`python -m daemon.api.for_mcp > mcp_tools/rest.json` writes it anew; a test says when that is due.
"""

from __future__ import annotations

import json
from typing import Any

from daemon.api.schemas import COMPONENTS
from daemon.api.shapes import Schema, parameter
from daemon.jobs.parameters import JOB_PARAMETERS

_REF = "#/components/schemas/"
# Not `required`, `pattern` and the like: a service of another version may answer more, or less.
_KEPT = ("type", "description", "enum", "const", "format")


def document() -> dict[str, Any]:
    """`parameters`: what each takes; `answers`: the shape of each component of the API document, without references."""
    return {
        "parameters": {row.name: parameter(row) for row in JOB_PARAMETERS},
        "answers": {name: _plain(schema) for name, schema in COMPONENTS.items()},
    }


def _plain(schema: Schema) -> Schema:
    name = str(schema.get("$ref", "")).removeprefix(_REF)
    if name in ("Parameters", "PresetParameters"):
        # They are told at full length where they are given; in answers they would fill an assistant's memory.
        return {"type": "object", "description": COMPONENTS[name].get("description", "Parameters of an upscale.")}
    if name:
        return _plain(COMPONENTS[name])
    plain = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        plain["properties"] = {key: _plain(value) for key, value in schema["properties"].items()}
    if "items" in schema:
        plain["items"] = _plain(schema["items"])
    if "anyOf" in schema:
        plain["anyOf"] = [_plain(each) for each in schema["anyOf"]]
    return plain


if __name__ == "__main__":
    print(json.dumps(document(), indent=1, ensure_ascii=False))
