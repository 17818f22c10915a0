"""Kinds of values that the models of the API are made of, and how these become schemas of its document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import CoreSchema, core_schema

Schema = dict[str, Any]
Models = Iterable[type[BaseModel]]

TEXT: Schema = {"type": "string"}
# What OpenAPI 3.1 would say by the media type alone, generators of clients look for here.
BINARY: Schema = {"type": "string", "format": "binary"}
_PLACE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Marks a text as one of those that a table of the service lists."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema([str(value) for value in self.values])


Whole = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(ge=0)]
Percent = Annotated[int, Field(ge=0, le=100)]
TaskId = Annotated[str, Field(pattern="^[0-9a-f]{8}$", examples=["3f9a1c07"])]
UploadId = Annotated[str, Field(pattern="^[0-9a-f]{16}$", examples=["5d0c7be91a42f386"])]
Size = Annotated[str, Field(pattern=r"^\d+x\d+$", examples=["1920x1080"])]
Time = Annotated[str, Field(description="ISO 8601, UTC", json_schema_extra={"format": "date-time"})]


class Answer(BaseModel):
    """What a route answers as JSON. The routes build it; tests hold each answer of a real server against its model."""

    # Built when the document is asked for: a service that nobody asks pays nothing for it.
    model_config = ConfigDict(defer_build=True)


def about(description: str, **more: Any) -> Any:
    """A field with a description."""
    return Field(description=description, **more)


def at_times(description: str | None = None) -> Any:
    """A field that is left out where it has no value; it is never null."""
    return Field(default=None, description=description)


class _Plain(GenerateJsonSchema):
    """Schemas that generators of clients know: no `const`, no title, and null beside the type where there is one."""

    def literal_schema(self, schema: core_schema.LiteralSchema) -> Schema:
        plain = super().literal_schema(schema)
        return {"type": "string", "enum": [plain["const"]]} if "const" in plain else plain

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        inner = self.generate_inner(schema["schema"])
        if "type" not in inner:
            return {"anyOf": [inner, {"type": "null"}]}
        taken = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
        return {**inner, **taken, "type": [inner["type"], "null"]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        inner = super().default_schema(schema)
        return {key: value for key, value in inner.items() if key != "default" or value is not None}

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        described = super().model_schema(schema)
        return {key: value for key, value in described.items() if key != "title"}


def components(models: Models) -> dict[str, Schema]:
    """The models as components of the document, by their names, with those that they are made of."""
    mode: JsonSchemaMode = "validation"
    _, made = models_json_schema(
        [(model, mode) for model in models], ref_template=_PLACE + "{model}", schema_generator=_Plain
    )
    return dict(made["$defs"])


def ref(model: type[BaseModel]) -> Schema:
    """A reference to the component of a model."""
    return named(model.__name__)


def named(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": _PLACE + name}


def referred(schema: Schema) -> str:
    """The name of the component that a schema refers to; empty if it does not."""
    return str(schema.get("$ref", "")).removeprefix(_PLACE)
