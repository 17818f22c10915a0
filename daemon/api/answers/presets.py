"""Answers about presets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import create_model

from daemon.api.shapes import Answer, about
from daemon.jobs.parameters import JOB_PARAMETERS, fields_of

_FIELDS: dict[str, Any] = {name: (kind, None) for name, (kind, _) in fields_of(JOB_PARAMETERS).items()}
_SOME = create_model("_Some", __base__=Answer, **_FIELDS)


class PresetParameters(_SOME):  # type: ignore[misc, valid-type] # made from the table of parameters
    """Those of an upscale that a preset says something of."""


class Preset(Answer):
    """A named set of parameters."""

    name: str
    parameters: PresetParameters
    saved: bool = about("Whether it can be changed here; else the configuration has it.")


class Presets(Answer):
    """All of them, those of the configuration first."""

    presets: list[Preset]


class PresetChanged(Presets):
    """What there is after one was saved or deleted."""

    status: Literal["saved", "deleted"]
