"""What a job can be asked for: the engine's parameters, the model and the priority, as one table.

The REST form, the sidecars, the presets and `[defaults]` all go through `JobRequest.parse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from seedvr2.errors import OptionError
from seedvr2.options import CODING, PARAMETERS, Parameter, UpscaleOptions

PRIORITIES = ("low", "normal", "high")

MODEL = Parameter("dit_model", str, "", "Model file name; empty: the server's default")
PRIORITY = Parameter("priority", str, "normal", "Jobs of a higher priority go first", choices=PRIORITIES)
JOB_PARAMETERS: tuple[Parameter, ...] = (*PARAMETERS, MODEL, PRIORITY)
BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in JOB_PARAMETERS}


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
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        parameter = BY_NAME.get(name)
        if parameter is None:
            raise OptionError(name, f"There is no parameter {name[:80]!r}.{suggest(name, BY_NAME)}")
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        parsed[name] = parameter.parse(value)
    return parsed


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
