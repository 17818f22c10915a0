"""The check that every test with a real server makes would notice what it is for."""

from __future__ import annotations

import json

import pytest
import requests
from pydantic import ValidationError

from daemon.api.described import OPERATIONS
from tests.daemon.answers import check_answer

EXAMPLES = [
    (method, path, name)
    for (method, path), operation in OPERATIONS.items()
    if operation.answer
    for name in operation.examples
]


def answered(method: str, path: str, status: int, value: object) -> requests.Response:
    answer = requests.Response()
    answer.request = requests.Request(method, f"http://localhost{path}").prepare()
    answer.status_code, answer._content = status, json.dumps(value).encode()
    answer.headers["Content-Type"] = "application/json"
    return answer


@pytest.mark.parametrize(("method", "path", "name"), EXAMPLES, ids=lambda each: str(each))
def test_a_key_too_many_and_one_too_few_are_noticed(method: str, path: str, name: str) -> None:
    example = OPERATIONS[method, path].examples[name]
    at = path.replace("<task_id>", "3f9a1c07").replace("<model>", "3b")
    check_answer(answered(method, at, 200, example))
    with pytest.raises(ValidationError):
        check_answer(answered(method, at, 200, {**example, "surprise": 1}))
    first = next(iter(example))
    with pytest.raises(ValidationError):
        check_answer(answered(method, at, 200, {key: value for key, value in example.items() if key != first}))
    with pytest.raises(ValidationError):
        check_answer(answered(method, at, 404, example))
