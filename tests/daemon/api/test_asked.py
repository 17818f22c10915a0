"""The bodies as the API document describes them are what the server takes, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from daemon.api.asked import request_components
from daemon.api.shapes import LEAST_WHEN_ON
from daemon.jobs.parameters import JOB_PARAMETERS, JobRequest
from seedvr2.errors import OptionError
from seedvr2.options import Parameter
from seedvr2.preview.wish import Wish
from tests.daemon.conftest import Running

NUMBERS = (-2, -1, -0.5, 0, 0.5, 1, 2, 15, 16, 63, 64, 65, 100, 1000, 16384, 16385, 2**31 - 1, 2**31, 2**32, 2**64)
BEYOND = "nonsense"


def probes(row: Parameter) -> list[Any]:
    """Values of the parameter's own kind, good ones and bad ones."""
    if row.kind is bool:
        return [True, False]
    if row.kind is str:
        return [*row.choices, BEYOND] if row.choices else []
    return [number for number in NUMBERS if row.kind is float or isinstance(number, int)]


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    # What JSON Schema could say by a union alone.
    between = schema["minimum"] < value < schema[LEAST_WHEN_ON] if LEAST_WHEN_ON in schema else False
    return Draft202012Validator(schema).is_valid(value) and not between


def taken(values: dict[str, Any]) -> bool:
    try:
        JobRequest.parse({}, values)
    except OptionError:
        return False
    return True


@pytest.mark.parametrize("row", JOB_PARAMETERS, ids=lambda row: row.name)
@pytest.mark.parametrize("component", ["SubmitForm", "AgainRequest", "PreviewForm"])
def test_a_parameter_takes_exactly_what_its_schema_says(component: str, row: Parameter) -> None:
    schema = request_components({})[component]["properties"][row.name]
    said = {value: is_valid(schema, value) for value in probes(row)}
    assert said == {value: taken({row.name: value}) for value in probes(row)}
    if "default" in schema:
        assert taken({row.name: schema["default"]})


@pytest.mark.parametrize(
    "crop", ["auto", "whole", "0,0,1,1", "10,20,30,40", "0,0,0,1", "0,0,1,0", "1,2,3", "-1,0,1,1", "a,b,c,d", BEYOND]
)
def test_a_crop_is_what_its_schema_says(crop: str) -> None:
    schema = request_components({})["PreviewForm"]["properties"]["crop"]
    try:
        Wish.parse({"crop": crop})
        good = True
    except OptionError:
        good = False
    assert Draft202012Validator(schema).is_valid(crop) == good


def test_a_task_runs_again_with_whatever_another_was_asked_for(running: Running) -> None:
    task = running.submit(seed=7)
    asked = running.finished(task)["params"]
    assert isinstance(asked, dict)
    assert Draft202012Validator(request_components({})["AgainRequest"]).is_valid(asked)
    again = running.post(f"/api/tasks/{task}/again", json=asked).json()["task_id"]
    assert running.finished(again)["params"] == asked
    assert running.post(f"/api/tasks/{task}/again", json={"sead": 7}).status_code == 400
    assert not Draft202012Validator(request_components({})["AgainRequest"]).is_valid({"sead": 7})
