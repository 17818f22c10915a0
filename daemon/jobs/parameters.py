"""What a job can be asked for: the engine's parameters, the model and the priority, as one table.

The REST form, the sidecars, the presets and `[defaults]` all go through `JobRequest.parse`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from seedvr2.errors import OptionError
from seedvr2.options import CODING, PARAMETERS, Parameter, UpscaleOptions

PRIORITIES = ("low", "normal", "high")

MODEL = Parameter("dit_model", str, "", "Model file name; empty: the server's default")
PRIORITY = Parameter("priority", str, "normal", "Jobs of a higher priority go first", choices=PRIORITIES)
JOB_PARAMETERS: tuple[Parameter, ...] = (*PARAMETERS, MODEL, PRIORITY)
BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in JOB_PARAMETERS}
# Of a parameter whose minimum turns it off: what lies between the two is refused.
LEAST_WHEN_ON = "x-minimum-when-on"


def typed(row: Parameter) -> Any:
    """A parameter as a type of pydantic: the table parses and refuses, in its own words; the limits describe it."""
    limits = {"ge": row.minimum if row.off is None else row.off, "le": row.maximum}
    stated: dict[str, Any] = {key: row.kind(limit) for key, limit in limits.items() if limit is not None}
    meaning, extra = f"{row.meaning}.", dict[str, Any]()
    if row.off is not None and row.minimum is not None:
        # A union of the two would lose the type for generators of clients, and `not` is too much for Schemathesis.
        meaning, extra = f"{meaning} Takes {row.takes()}.", {LEAST_WHEN_ON: row.kind(row.minimum)}
    kind: Any = Literal[row.choices] if row.choices else row.kind

    def parse(value: Any) -> Any:
        # Nothing is no value: whoever leaves it out takes the default, and not whoever sends it.
        return None if value is None else row.parse(value)

    about = Field(description=meaning, json_schema_extra=extra)
    return Annotated[kind, Field(**stated), BeforeValidator(parse), about]


def fields_of(rows: Iterable[Parameter], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a model for `create_model`; without `defaults` over those of the table each is required."""
    return {row.name: (typed(row), ... if defaults is None else defaults.get(row.name, row.default)) for row in rows}


# In JSON.
NullableModel = Annotated[str | None, Field(description="null: the server's default.")]
_Layer: type[BaseModel] = create_model("_Layer", __config__=ConfigDict(extra="forbid"), **fields_of(JOB_PARAMETERS, {}))


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The validated wishes for one job. `model` is empty for the server's default."""

    options: UpscaleOptions
    model: str
    priority: str

    @classmethod
    def parse(cls, *layers: Mapping[str, Any]) -> JobRequest:
        """A request from layers of values; a later layer wins, an empty value leaves the earlier one standing.

        Where a later layer asks for a `resolution`, the `scale` or `long_edge` of an earlier one no longer stands
        against it, nor a `scale` against a `long_edge`. Nor do the words of earlier ones on the coding of videos, where
        they contradict those of a later one.

        Raises:
            OptionError: a name is unknown (the nearest known one is named), or a value is not one that it takes.
        """
        merged: dict[str, Any] = {}
        for layer in layers:
            given = check(layer)
            if "resolution" in given or given.get("long_edge"):
                merged.pop("scale", None)
            if not given.keys().isdisjoint(CODING) and _contradict({**merged, **given}):
                merged = {name: value for name, value in merged.items() if name not in CODING}
            if "resolution" in given:
                merged.pop("long_edge", None)
            merged.update(given)
        model = str(merged.pop(MODEL.name, MODEL.default))
        priority = str(merged.pop(PRIORITY.name, PRIORITY.default))
        return cls(UpscaleOptions.parse(merged), model, priority)

    def as_dict(self) -> dict[str, int | float | bool | str]:
        """Every parameter by name, ready for JSON."""
        return {**self.options.as_dict(), MODEL.name: self.model, PRIORITY.name: self.priority}


def check(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one layer, each parsed; empty ones are left out.

    Raises:
        OptionError: as for `JobRequest.parse`.
    """
    # A name that nobody knows is refused with any value.
    stated = {name: value for name, value in values.items() if name not in BY_NAME or not _is_empty(value)}
    try:
        layer = _Layer.model_validate(stated)
    except ValidationError as error:
        raise refusal(error, BY_NAME, "parameter") from None
    return layer.model_dump(exclude_unset=True)


def refusal(error: ValidationError, known: Mapping[str, Any], noun: str) -> OptionError:
    """The first thing that a model refuses, as one sentence: that of the table, or the nearest known name."""
    fault = error.errors(include_url=False)[0]
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, OptionError):
        return cause
    # A key that is no valid text has no place.
    name = str(fault["loc"][0] if fault["loc"] else fault["input"])
    return OptionError(name, f"There is no {noun} {name[:80]!r}.{suggest(name, known)}")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def check_together(values: Mapping[str, Any]) -> None:
    """Raise OptionError where what is asked of the coding of videos does not go together."""
    UpscaleOptions.parse({name: value for name, value in values.items() if name in CODING})


def _contradict(values: Mapping[str, Any]) -> bool:
    try:
        check_together(values)
    except OptionError:
        return True
    return False


def suggest(name: str, known: Mapping[str, Any]) -> str:
    """` Did you mean 'x'?` for the nearest known name, or a list of the known ones."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
