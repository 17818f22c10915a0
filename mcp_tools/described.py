"""The parameters and answers of the REST API, as its own document describes them, for the schemas of the tools."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field

Schema: TypeAlias = dict[str, Any]
# Whether a value will do is for the API to say, in the words that all its clients get.
Value: TypeAlias = str | int | float | bool | None


@cache
def _document() -> dict[str, Any]:
    text = Path(__file__).with_name("rest.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def names() -> list[str]:
    """Every parameter of an upscale."""
    return list(_document()["parameters"])


def answer(component: str) -> Schema:
    """The shape of an answer, by its name in the API document."""
    return dict(_document()["answers"][component])


def with_parameters(
    tool: Callable[..., Awaitable[Any]], offered: Sequence[str], documented: Sequence[str] = ()
) -> Callable[..., Awaitable[Any]]:
    """`tool`, whose `**options` are shown as these parameters. Each that is not given arrives as None.

    Args:
        documented: parameters whose default the API document names. It is shown, and not sent: where the service is
            configured otherwise, that holds.
    """
    shown = inspect.signature(tool, eval_str=True)
    own = [each for each in shown.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    first = [each for each in own if each.default is inspect.Parameter.empty]
    rest = [each for each in own if each not in first]
    options = [_option(name, name in documented) for name in offered]

    async def call(**arguments: Any) -> Any:
        return await tool(**arguments)

    call.__name__, call.__doc__ = tool.__name__, tool.__doc__
    by_keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*first, *options, *rest)]
    call.__signature__ = shown.replace(parameters=by_keyword)  # type: ignore[attr-defined]
    return call


def _option(name: str, documented: bool) -> inspect.Parameter:
    schema = _schema(name, documented)

    def show(generated: Schema) -> None:
        generated.clear()
        generated.update(schema)

    annotation = Annotated[Value, Field(json_schema_extra=show)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _schema(name: str, documented: bool) -> Schema:
    """What a parameter takes, and what holds where it is left out."""
    schema = dict(_document()["parameters"][name])
    default, meaning = schema["default"], str(schema["description"]).rstrip(".")
    usual = f"{default}, or what the server is configured with" if default != "" else "that of the server"
    schema["description"] = f"{meaning}. Left out: {usual}"
    if documented:
        return schema
    nullable = schema | {"type": [schema["type"], "null"], "default": None}
    return nullable | {"enum": [*schema["enum"], None]} if "enum" in schema else nullable
