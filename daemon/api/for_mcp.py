"""What `mcp_tools/rest.json` holds: the parameters and answers of the API, for the MCP server's tools.

The MCP server knows the API alone, and lists its tools also where no service runs; so it brings this file along.
`python -m daemon.api.for_mcp > mcp_tools/rest.json` writes it anew; a test says when that is due.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from daemon.api.answers.presets import PresetParameters
from daemon.api.answers.tasks import Parameters
from daemon.api.asked import SUBMIT_FORM, request_models
from daemon.api.openapi import answers
from daemon.api.shapes import Schema, components, referred
from daemon.jobs.parameters import JOB_PARAMETERS

# Not `required`, `pattern` and the like: a service of another version may answer more, or less.
_KEPT = ("type", "description", "enum", "format")


def document() -> dict[str, Any]:
    """`parameters`: what each takes; `answers`: the shape of each component of the API document, without references."""
    asked, answered = components(request_models({}))[SUBMIT_FORM]["properties"], components(answers())
    return {
        "parameters": {row.name: asked[row.name] for row in JOB_PARAMETERS},
        "answers": {name: _plain(schema, answered) for name, schema in answered.items()},
    }


def _plain(schema: Schema, answered: Mapping[str, Schema]) -> Schema:
    name = referred(schema)
    if name in (Parameters.__name__, PresetParameters.__name__):
        # They are told at full length where they are given; in answers they would fill an assistant's memory.
        return {"type": "object", "description": answered[name]["description"]}
    if name:
        return _plain(answered[name], answered)
    plain = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        plain["properties"] = {key: _plain(value, answered) for key, value in schema["properties"].items()}
    if "items" in schema:
        plain["items"] = _plain(schema["items"], answered)
    if "anyOf" in schema:
        plain["anyOf"] = [_plain(each, answered) for each in schema["anyOf"]]
    return plain


if __name__ == "__main__":
    print(json.dumps(document(), indent=1, ensure_ascii=False))
