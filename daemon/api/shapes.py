"""The parts that the API document's schemas are made of: plain kinds of values, and the parameters of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.jobs.job import State
from daemon.jobs.parameters import JOB_PARAMETERS, MODEL
from seedvr2.options import Parameter

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
YES_NO: Schema = {"type": "boolean"}
# What OpenAPI 3.1 would say by the media type alone, generators of clients look for here.
BINARY: Schema = {"type": "string", "format": "binary"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601, UTC"}
TASK_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}$", "examples": ["3f9a1c07"]}
STATE: Schema = {"type": "string", "enum": [state.value for state in State]}
PERCENT: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
SIZE: Schema = {"type": "string", "pattern": r"^\d+x\d+$", "examples": ["1920x1080"]}
# Of a parameter whose minimum turns it off: what lies between the two is refused.
LEAST_WHEN_ON = "x-minimum-when-on"
KINDS = {int: "integer", float: "number", bool: "boolean", str: "string"}


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def fields(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, about: str = "") -> Schema:
    """An object with these fields."""
    schema: Schema = {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}
    return schema | {"description": about} if about else schema


def only(text: str) -> Schema:
    """One text and no other. An `enum`, since many generators of clients do not know `const`."""
    return {"type": "string", "enum": [text]}


def list_of(schema: Schema) -> Schema:
    """An array of it."""
    return {"type": "array", "items": schema}


def or_null(schema: Schema) -> Schema:
    """It, or null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    taken = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **taken, "type": [schema["type"], "null"]}


def parameter(row: Parameter, default: Any = None) -> Schema:
    """What one parameter takes. `default` replaces that of the table."""
    value = row.default if default is None else default
    schema: Schema = {"type": KINDS[row.kind], "default": value, "description": f"{row.meaning}."}
    limits = {"minimum": row.minimum, "maximum": row.maximum}
    schema |= {key: row.kind(limit) for key, limit in limits.items() if limit is not None}
    if row.off is not None:
        # A union of the two would lose the type for generators of clients, and `not` is too much for Schemathesis.
        schema |= {"minimum": row.kind(row.off), LEAST_WHEN_ON: schema["minimum"]}
        schema["description"] += f" Takes {row.takes()}."
    return schema | {"enum": list(row.choices)} if row.choices else schema


def parameters(defaults: Mapping[str, Any]) -> dict[str, Schema]:
    """Each parameter of a task; `defaults` are those that this server is configured with."""
    return {row.name: parameter(row, defaults.get(row.name)) for row in JOB_PARAMETERS}


def bare_parameters() -> dict[str, Schema]:
    """The same where none takes a default."""
    return {name: {key: value for key, value in schema.items() if key != "default"}
            for name, schema in parameters({}).items()}  # fmt: skip


def nullable_model(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The parameters in JSON, where null stands for the server's default model."""
    return {**schemas, MODEL.name: {**or_null(TEXT), "description": "null: the server's default."}}
