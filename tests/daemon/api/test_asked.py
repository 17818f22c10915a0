"""The bodies as the API document describes them are what the server takes, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from daemon.api.asked import DownloadQuery, ModelsQuery, RemoveQuery, request_models
from daemon.api.shapes import components
from daemon.jobs.parameters import JOB_PARAMETERS, LEAST_WHEN_ON, JobRequest
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
    schema = components(request_models({}))[component]["properties"][row.name]
    said = {value: is_valid(schema, value) for value in probes(row)}
    assert said == {value: taken({row.name: value}) for value in probes(row)}
    if "default" in schema:
        assert taken({row.name: schema["default"]})


@pytest.mark.parametrize(
    "crop", ["auto", "whole", "0,0,1,1", "10,20,30,40", "0,0,0,1", "0,0,1,0", "1,2,3", "-1,0,1,1", "a,b,c,d", BEYOND]
)
def test_a_crop_is_what_its_schema_says(crop: str) -> None:
    schema = components(request_models({}))["PreviewForm"]["properties"]["crop"]
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
    assert Draft202012Validator(components(request_models({}))["AgainRequest"]).is_valid(asked)
    again = running.post(f"/api/tasks/{task}/again", json=asked).json()["task_id"]
    assert running.finished(again)["params"] == asked
    assert running.post(f"/api/tasks/{task}/again", json={"sead": 7}).status_code == 400
    assert not Draft202012Validator(components(request_models({}))["AgainRequest"]).is_valid({"sead": 7})


@pytest.mark.parametrize(
    ("path", "sent", "field", "said"),
    [
        ("models/switch", {}, "model", 'Say which model: {"model": "name"}.'),
        ("models/switch", {"model": " "}, "model", 'Say which model: {"model": "name"}.'),
        ("models/switch", {"model": 3}, "model", 'Say which model: {"model": "name"}.'),
        ("models/switch", {"model": "3b", "wait": "yes"}, "wait", '"wait" is true or false.'),
        ("models/switch", {"model": "3b", "wiat": True}, "wiat", "There is no field 'wiat'. Did you mean 'wait'?"),
        ("models/pull", {"name": None}, "model", 'Say which model: {"model": "name"}.'),
        ("queue/pause", {"now": 1}, "now", '"now" is true or false.'),
        ("queue/pause", {"never": True}, "never", "There is no field 'never'. Known: now."),
        ("tasks/3f9a1c07/priority", {}, "priority", 'Say which priority: {"priority": "high"}.'),
        ("tasks/3f9a1c07/priority", {"priority": None}, "priority", 'Say which priority: {"priority": "high"}.'),
        ("tasks/3f9a1c07/priority", {"priority": "soon"}, "priority", "priority takes one of low, normal, high, not"),
        ("models/switch", ["3b"], None, 'The body must be a JSON object: {"model": "name"}.'),
    ],
)
def test_a_body_that_will_not_do_is_refused_in_our_own_words(
    running: Running, path: str, sent: Any, field: str | None, said: str
) -> None:
    answer = running.post(f"/api/{path}", json=sent)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(said)
    assert answer.json().get("detail") == ({"field": field} if field else None)


@pytest.mark.parametrize(
    ("path", "sent", "said"),
    [
        ("models/switch", r'{"model": "a", "\ud800": 1}', r"There is no field '\ud800'."),
        ("models/switch", r'{"model": "\ud800"}', "Say which model"),
        ("preview", r'{"\ud800": 1}', "Send either the field 'file'"),
        ("tasks/3f9a1c07/priority", r'{"priority": "\ud800"}', "priority takes one of low, normal, high, not"),
    ],
)
def test_a_text_that_is_no_unicode_is_refused_like_any_other(running: Running, path: str, sent: str, said: str) -> None:
    answer = running.post(f"/api/{path}", data=sent)
    assert answer.status_code == 400 and answer.json()["error"].startswith(said), answer.text


def test_a_pull_may_call_its_model_a_name(running: Running) -> None:
    answer = running.post("/api/models/pull", json={"name": "seedvr9"})
    assert answer.status_code == 404 and "no model 'seedvr9'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("limit=many", "limit takes a whole number, not 'many'."),
        ("status=ended", "status takes one of completed, failed, cancelled, all, not 'ended'."),
    ],
)
def test_a_query_that_will_not_do_is_refused(running: Running, asked: str, said: str) -> None:
    answer = running.get(f"/api/queue/history?{asked}")
    assert (answer.status_code, answer.json()["error"]) == (400, said)


def test_what_is_empty_or_unknown_in_a_query_counts_as_not_there(running: Running) -> None:
    for asked in ("limit=&status=", "limit=0", "limit=99999&cache=3"):
        assert running.get(f"/api/queue/history?{asked}").status_code == 200


def test_a_flag_that_is_not_there_is_off() -> None:
    # Not None: the engine's process takes either for what it is.
    assert ModelsQuery().all is RemoveQuery().force is DownloadQuery().inline is False
    assert ModelsQuery.model_validate({"all": "1"}).all is True
