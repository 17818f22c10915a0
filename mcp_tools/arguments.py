"""What is wrong with the arguments of a call, in one sentence that an assistant can act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

_NOUNS = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text",
    "array": "a list", "null": "null",
}  # fmt: skip


def check_names(tool: str, given: Iterable[str], schema: Mapping[str, Any]) -> None:
    """Raise ToolError if a tool with this input schema has no parameter of a name that is given."""
    known = list(schema.get("properties", ()))
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(known) or 'none'}."
            raise ToolError(f"{tool} has no parameter {name[:80]!r}. {hint}")


def sentence(tool: str, error: ValidationError, schema: Mapping[str, Any]) -> str:
    """The first thing that is wrong with the values."""
    fault = error.errors()[0]
    name = str(fault["loc"][0])
    parameter = schema.get("properties", {}).get(name, {})
    if fault["type"] == "missing":
        return f"{tool} needs {name}: {str(parameter.get('description', '')).rstrip('.') or _takes(parameter)}."
    return f"{name} takes {_takes(parameter)}, not {str(fault['input'])[:80]!r}."


def _takes(schema: Mapping[str, Any]) -> str:
    """`a whole number from 1 up, or null`."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema and "type" not in schema:
        return ", or ".join(_takes(each) for each in schema["anyOf"])
    kinds = schema.get("type", "string")
    text = ", or ".join(_NOUNS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or "null" in text:
        return text
    return f"{text} from {low:g} up" if high is None else f"{text} from {low:g} to {high:g}"
