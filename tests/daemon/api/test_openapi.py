"""The API document is true: every route is in it, and a live server answers as it says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from daemon.api.described import OPERATIONS
from daemon.api.openapi import is_described
from daemon.engine.models import describe_models
from daemon.jobs.parameters import JOB_PARAMETERS
from seedvr2.catalogue import find
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, png
from tests.daemon.executors import FakeExecutor
from tests.seedvr2.catalogue.hub import running_hub

METHODS = ("get", "post", "delete")


class DescribingExecutor(FakeExecutor):
    """Lists the models as the engine's own executor does."""

    def models(self, everything: bool) -> list[dict[str, Any]]:
        return describe_models([], everything)


# What a client may want to read, if it is there.
HEADERS = {
    "Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Last-Modified", "Retry-After", "WWW-Authenticate",
}  # fmt: skip


class Checker:
    """Asks a live server, and holds each answer against the document that the same server gives out."""

    def __init__(self, running: Running, document: dict[str, Any]) -> None:
        self._running = running
        self._document = document
        self.walked: set[tuple[str, str]] = set()
        self.statuses: set[tuple[str, str, int]] = set()

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> requests.Response:
        answer = self._running.http.request(method, self._running.service.url + path, timeout=20, **more)
        assert answer.status_code == status, answer.text
        template = self._template(method, path.partition("?")[0])
        operation = self._document["paths"][template][method.lower()]
        self.walked.add((method, template))
        self.statuses.add((method, template, status))
        said = operation["responses"].get(str(status))
        assert said, f"{method} {template} does not say that it can answer {status}"
        undocumented = {name for name in HEADERS if name in answer.headers} - set(said.get("headers", ()))
        assert not undocumented, f"{method} {template} {status}: {undocumented}"
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if "content" in said:
            assert kind in said["content"], f"{method} {template} answers {kind}"
            if kind == "application/json":
                check(self._document, said["content"][kind]["schema"], answer.json())
        else:
            assert not answer.content
        return answer

    def _template(self, method: str, path: str) -> str:
        found = [
            template
            for template, operations in self._document["paths"].items()
            if method.lower() in operations and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
        ]
        assert len(found) == 1, f"{method} {path} is not documented"
        return str(found[0])


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """The value is what the schema says, with no key besides those it names."""
    whole = closed(copy.deepcopy(document["components"]))
    Draft202012Validator({**schema, "components": whole}, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        value
    )


def closed(schema: Any) -> Any:
    """The schema with every object closed: a key that nobody documented is an error here, though not for clients."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if "properties" in inner and "required" in inner:
        inner.setdefault("additionalProperties", False)
    return inner


@pytest.fixture
def live(start: Start, tmp_path: Path) -> Running:
    (tmp_path / "config.toml").write_text("[presets.configured]\nseed = 3\n")
    return start(DescribingExecutor())


@pytest.fixture
def document(live: Running) -> dict[str, Any]:
    return dict(live.get("/openapi.json").json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_documented_and_nothing_else(live: Running, document: dict[str, Any]) -> None:
    from daemon.api.app import all_routes

    routes = [route for route in all_routes(live.service.context) if is_described(route)]
    served = {(route.method, route.path) for route in routes}
    assert served == set(OPERATIONS), "daemon/api/described and the routes differ"
    shown = {(method, re.sub(r"{(\w+)}", r"<\1>", path)) for method, path, _ in operations(document)}
    assert shown == served
    # What is left out are pages for people.
    pages = [route.path for route in all_routes(live.service.context) if not is_described(route)]
    assert not [path for path in pages if path.startswith("/api/")]


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), (method, path)
    for schema in schemas(document):
        validator_for(schema, Draft202012Validator).check_schema(schema)
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"])


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "schema":
                yield value
            elif key == "schemas":
                yield from value.values()
            yield from schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    examined = 0
    for _, _, operation in operations(document):
        contents = [answer.get("content", {}) for answer in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        for content in contents:
            for media in content.values():
                examples = [each["value"] for each in media.get("examples", {}).values()]
                examples += [media["example"]] if "example" in media else []
                for example in examples:
                    check(document, media["schema"], example)
                    examined += 1
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            check(document, schema, example)
            examined += 1
    assert examined > 60


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where, the content type and its schema, of all that is sent and answered."""
    for method, path, operation in operations(document):
        said = {"body": operation.get("requestBody", {}), **operation["responses"]}
        for name, each in said.items():
            for kind, media in each.get("content", {}).items():
                yield f"{method} {path} {name}", kind, media["schema"]


def test_what_is_sent_and_answered_has_a_name_or_is_a_text_or_bytes(document: dict[str, Any]) -> None:
    kinds = set()
    for where, kind, schema in contents(document):
        kinds.add(kind)
        if kind in ("application/json", "multipart/form-data"):
            assert list(schema) == ["$ref"], where
        elif kind.startswith("text/"):
            assert schema == {"type": "string"}, where
        else:
            assert schema == {"type": "string", "format": "binary"}, where
    assert {"image/webp", "video/mp4", "text/event-stream", "multipart/form-data"} <= kinds
    for form in ("SubmitForm", "PreviewForm"):
        file = document["components"]["schemas"][form]["properties"]["file"]
        assert (file["type"], file["format"]) == ("string", "binary")


def test_every_error_is_the_same_schema(document: dict[str, Any]) -> None:
    errors = 0
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path != "/health":
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
                errors += 1
        assert method != "POST" or {"413", "500", "503", "507"} <= set(operation["responses"])
    assert errors > 100


def test_the_document_keeps_to_what_generators_of_clients_know(document: dict[str, Any]) -> None:
    for name, schema in walk(document["components"]["schemas"]):
        assert "const" not in schema, name
        assert not {"oneOf", "allOf", "not", "if"} & set(schema), name
        for choice in schema.get("anyOf", []):
            assert "$ref" in choice or choice == {"type": "null"}, name
        # Objects in objects would get made-up names.
        if "properties" in schema:
            assert name in document["components"]["schemas"], name
    for _, _, operation in operations(document):
        assert re.fullmatch("[a-z]+(_[a-z]+)+", operation["operationId"])
        # For bytes, one of them takes this content type alone.
        for answer in operation["responses"].values():
            content = answer.get("content", {})
            if any(kind.startswith(("image/", "video/")) for kind in content):
                assert "application/octet-stream" in content
        # One of them makes a client that cannot be imported where there are two.
        assert len(operation.get("requestBody", {}).get("content", {})) <= 1


def walk(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema in schemas, with the name that it has where it is."""
    for key, value in node.items():
        if isinstance(value, dict):
            if key != "properties":
                yield f"{name}.{key}".strip("."), value
            yield from walk(value, f"{name}.{key}".strip("."))


def test_the_form_is_made_from_the_table_that_validates(start: Start) -> None:
    running = start(SEEDVR2_DEFAULTS_RESOLUTION="720", SEEDVR2_DEFAULTS_PRIORITY="low")
    document = running.get("/openapi.json").json()
    form = document["components"]["schemas"]["SubmitForm"]
    assert list(form["properties"]) == ["file", "preset", *(row.name for row in JOB_PARAMETERS)]
    assert form["required"] == ["file"]
    resolution = form["properties"]["resolution"]
    assert (resolution["default"], resolution["minimum"], resolution["type"]) == (720, 16, "integer")
    assert form["properties"]["priority"]["default"] == "low"
    assert "wavelet_adaptive" in form["properties"]["color_correction"]["enum"]
    # Both limits are taken, and what lies beyond them is refused.
    for value, status in ((16, 200), (15, 400), (16384, 200), (16385, 400)):
        sent = running.post("/api/process", files={"file": ("a.png", png())}, data={"resolution": value})
        assert sent.status_code == status
    scale = form["properties"]["scale"]
    assert (scale["default"], scale["minimum"], scale["x-minimum-when-on"], scale["maximum"]) == (0, 0, 1, 64)
    assert scale["description"].endswith("Takes 0, or a number from 1 to 64.")
    for value, status in ((0, 200), (1, 200), (64, 200), (0.99, 400), (64.1, 400)):
        sent = running.post("/api/process", files={"file": ("a.png", png())}, data={"scale": value})
        assert sent.status_code == status


def test_every_operation_answers_as_documented(live: Running, document: dict[str, Any]) -> None:
    checker = Checker(live, document)
    quiet_operations(checker)
    downloads(checker, live)
    task = submits(checker, live)
    previews(checker, live, task)
    ended_tasks(checker, live, task)
    refusals(checker, live)
    documented = {(method, path) for method, path, _ in operations(document)}
    assert checker.walked == documented
    unseen = {
        (method, path, int(status))
        for method, path, operation in operations(document)
        for status in operation["responses"]
        if (method, path, int(status)) not in checker.statuses
    }
    # A broken server, a full disk and too many streams are provoked in the tests of those parts.
    assert {status for _, _, status in unseen} <= {403, 413, 500, 503, 507}


def quiet_operations(checker: Checker) -> None:
    for path in (
        "/health",
        "/metrics",
        "/openapi.json",
        "/api/gpu/status",
        "/api/cluster",
        "/api/models",
        "/api/models?all=1",
    ):
        checker.ask("GET", path)
    checker.ask("GET", "/api/queue/status")
    checker.ask("GET", "/api/queue/history?limit=3&status=all")
    assert checker.ask("POST", "/api/models/switch", json={"model": "nano.safetensors"}).json()["status"] == "loaded"
    checker.ask("GET", "/api/gpu/status")
    checker.ask("POST", "/api/gpu/offload")
    assert checker.ask("POST", "/api/queue/pause", json={"now": True}).json()["held_by"] == "request"
    checker.ask("GET", "/api/queue/status")
    checker.ask("GET", "/health")
    checker.ask("POST", "/api/queue/resume")
    stream = checker.ask("GET", "/api/events", stream=True)
    assert next(stream.iter_lines()) == b"retry: 2000"
    stream.close()


def downloads(checker: Checker, live: Running) -> None:
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        name = "seedvr2_ema_3b-Q6_K.gguf"
        hub.add(find(name).repo, name, bytes(1000))
        hub.gate.clear()
        assert checker.ask("POST", "/api/models/pull", json={"model": "3b-q6"}).json()["status"] == "pulling"
        checker.ask("DELETE", f"/api/models/{name}", 404)
        checker.ask("GET", "/api/models/pull")
        checker.ask("POST", f"/api/models/pull/{name}/cancel")
        checker.ask("POST", f"/api/models/pull/{name}/cancel", 404)
        checker.ask("POST", f"/api/models/pull/{name}/cancel?machine=studio-2", 400)
        checker.ask("GET", "/api/models")
    checker.ask("POST", "/api/models/pull", 404, json={"model": "seedvr9"})
    checker.ask("POST", "/api/models/pull", 400, json={"model": ""})
    mine = live.config.paths.models[0] / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    assert checker.ask("POST", "/api/models/pull", json={"model": name}).json()["status"] == "installed"
    checker.ask("DELETE", f"/api/models/{name}", 403)
    live.executor.model = name
    checker.ask("DELETE", f"/api/models/{name}?force=1", 409)
    live.executor.model = None
    assert checker.ask("DELETE", f"/api/models/{name}?force=1").json()["bytes"] == 4


def submits(checker: Checker, live: Running) -> str:
    """While one runs and one waits."""
    live.executor.gate.clear()
    first = checker.ask("POST", "/api/process", files={"file": ("照片.png", png())}, data={"priority": "high"}).json()
    assert live.executor.running.wait(PATIENCE_S)
    second = checker.ask("POST", "/api/process", files={"file": ("b.png", png())}).json()
    for task in (first["task_id"], second["task_id"]):
        checker.ask("GET", f"/api/status/{task}")
        checker.ask("GET", f"/api/queue/position/{task}")
        checker.ask("GET", f"/api/download/{task}", 400)
        checker.ask("DELETE", f"/api/tasks/{task}", 409)
    path = f"/api/tasks/{second['task_id']}/priority"
    assert checker.ask("POST", path, json={"priority": "high"}).json()["params"]["priority"] == "high"
    checker.ask("POST", path, 400, json={"priority": "urgent"})
    checker.ask("POST", f"/api/tasks/{first['task_id']}/priority", 409, json={"priority": "low"})
    checker.ask("GET", "/api/queue/status")
    checker.ask("POST", "/api/gpu/offload")
    checker.ask("POST", "/api/models/switch", 409, json={"model": "seedvr2_ema_3b_fp8_e4m3fn.safetensors"})
    checker.ask("POST", f"/api/tasks/{second['task_id']}/cancel")
    checker.ask("GET", f"/api/status/{second['task_id']}")
    checker.ask("POST", f"/api/tasks/{first['task_id']}/retry", 409)
    live.executor.gate.set()
    retried = checker.ask("POST", f"/api/tasks/{second['task_id']}/retry").json()["task_id"]
    live.finished(retried)
    checker.ask("GET", f"/api/status/{retried}")
    live.finished(first["task_id"])
    return str(first["task_id"])


def previews(checker: Checker, live: Running, task: str) -> None:
    checker.ask("POST", "/api/preview", json={"task_id": task})
    shown = checker.ask("POST", "/api/preview", files={"file": ("a.png", png())}, data={"at": "1"}).json()
    whole = checker.ask("GET", shown["sheet"])
    checker.ask("GET", shown["images"][0]["url"], 206, headers={"Range": "bytes=0-9"})
    checker.ask("GET", shown["sheet"], 416, headers={"Range": "bytes=99999999-"})
    checker.ask("GET", shown["sheet"], 304, headers={"If-None-Match": whole.headers["ETag"]})
    checker.ask("GET", f"/api/preview/{shown['id']}/other.png", 404)
    checker.ask("POST", "/api/preview", 404, json={"task_id": "deadbeef"})
    checker.ask("POST", "/api/preview", 400, json={"task_id": task, "strengths": 2})
    checker.ask("POST", "/api/plan", json={"width": 640, "height": 360, "frames": 9})
    checker.ask("POST", "/api/plan", files={"file": ("a.png", png())}, data={"scale": "2"})
    kept = {"scale": "2", "keep": "1"}
    upload = checker.ask("POST", "/api/plan", files={"file": ("a.png", png())}, data=kept).json()["upload_id"]
    checker.ask("POST", "/api/plan", json={"upload_id": upload})
    checker.ask("POST", f"/api/uploads/{upload}/submit", 400, json={"scale": "many"})
    live.finished(checker.ask("POST", f"/api/uploads/{upload}/submit", json={"scale": 2}).json()["task_id"])
    checker.ask("POST", f"/api/uploads/{upload}/submit", 404)
    checker.ask("POST", "/api/plan", json={"task_id": task})
    checker.ask("POST", "/api/plan", 400, json={"width": 640})
    checker.ask("POST", "/api/plan", 404, json={"task_id": "deadbeef"})


def ended_tasks(checker: Checker, live: Running, task: str) -> None:
    checker.ask("GET", f"/api/status/{task}")
    checker.ask("GET", f"/api/queue/position/{task}")
    checker.ask("POST", f"/api/tasks/{task}/cancel", 409)
    whole = checker.ask("GET", f"/api/download/{task}")
    checker.ask("GET", f"/api/download/{task}?inline=1", 206, headers={"Range": "bytes=0-9"})
    checker.ask("GET", f"/api/download/{task}", 416, headers={"Range": "bytes=99999999-"})
    checker.ask("GET", f"/api/download/{task}", 304, headers={"If-None-Match": whole.headers["ETag"]})
    source = checker.ask("GET", f"/api/source/{task}")
    checker.ask("GET", f"/api/source/{task}", 206, headers={"Range": "bytes=0-9"})
    checker.ask("GET", f"/api/source/{task}", 416, headers={"Range": "bytes=99999999-"})
    checker.ask("GET", f"/api/source/{task}", 304, headers={"If-None-Match": source.headers["ETag"]})
    thumbnail = checker.ask("GET", f"/api/thumbnail/{task}")
    checker.ask("GET", f"/api/thumbnail/{task}", 304, headers={"If-None-Match": thumbnail.headers["ETag"]})
    checker.ask("GET", f"/api/tasks/download.zip?ids={task}")
    checker.ask("GET", "/api/tasks/download.zip", 400)
    checker.ask("GET", "/api/tasks/download.zip?ids=ffffffff", 404)
    checker.ask("GET", "/api/system")
    checker.ask("GET", "/api/log?lines=5&level=warning")
    checker.ask("GET", "/api/log?level=loud", 400)
    film = {"resolution": 2160, "seed": 7}
    saved = checker.ask("PUT", "/api/presets/film", json=film).json()
    assert saved["presets"] == checker.ask("GET", "/api/presets").json()["presets"]
    assert checker.ask("GET", "/api/presets/film").json() in saved["presets"]
    checker.ask("GET", "/api/presets/flim", 404)
    assert saved["presets"] == [
        {"name": "configured", "parameters": {"seed": 3}, "saved": False},
        {"name": "film", "parameters": film, "saved": True},
    ]
    checker.ask("PUT", "/api/presets/film", 400, json={"seed": -1})
    checker.ask("PUT", "/api/presets/configured", 409, json={"seed": 1})
    checker.ask("DELETE", "/api/presets/configured", 409)
    checker.ask("DELETE", "/api/presets/flim", 404)
    checker.ask("DELETE", "/api/presets/film")
    drawn = checker.ask("GET", f"/api/frame/{task}")
    checker.ask("GET", f"/api/frame/{task}?of=source&at=0.5")
    checker.ask("GET", f"/api/frame/{task}", 304, headers={"If-None-Match": drawn.headers["ETag"]})
    checker.ask("GET", f"/api/frame/{task}?of=both", 400)
    assert drawn.content.startswith(b"\x89PNG")
    again = checker.ask("POST", f"/api/tasks/{task}/again", json={"seed": 7}).json()["task_id"]
    assert live.finished(again)["params"]["seed"] == 7
    checker.ask("POST", f"/api/tasks/{task}/again", 400, json={"seed": -1})
    stream = checker.ask("GET", f"/api/tasks/{task}/events")
    data = next(line for line in stream.text.splitlines() if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: "))["status"] == "completed"
    live.executor.errors.append(RuntimeError("broken"))
    failed = live.submit()
    live.finished(failed)
    assert checker.ask("GET", f"/api/status/{failed}").json()["error"]
    checker.ask("GET", "/api/queue/history?status=all")
    (live.inbox / "no.mp4").write_text("no video")
    refused = eventually(lambda: [job.id for job in live.history() if job.draft.refused])
    checker.ask("POST", "/api/plan", 409, json={"task_id": refused[0]})
    Path(live.service.store.get(failed).draft.source).unlink()
    checker.ask("POST", f"/api/tasks/{failed}/again", 409, json={})
    checker.ask("POST", "/api/preview", 409, json={"task_id": failed})
    checker.ask("DELETE", f"/api/tasks/{failed}")


def refusals(checker: Checker, live: Running) -> None:
    gone = "deadbeef"
    for path in (f"/api/status/{gone}", f"/api/queue/position/{gone}", f"/api/download/{gone}"):
        checker.ask("GET", path, 404)
    checker.ask("GET", f"/api/tasks/{gone}/events", 404)
    checker.ask("GET", f"/api/source/{gone}", 404)
    checker.ask("GET", f"/api/thumbnail/{gone}", 404)
    checker.ask("GET", f"/api/frame/{gone}", 404)
    checker.ask("POST", f"/api/tasks/{gone}/priority", 404, json={"priority": "low"})
    for action in ("cancel", "retry", "again"):
        checker.ask("POST", f"/api/tasks/{gone}/{action}", 404)
    checker.ask("DELETE", f"/api/tasks/{gone}", 404)
    checker.ask("GET", "/api/queue/history?limit=many", 400)
    checker.ask("POST", "/api/queue/pause", 400, json={"now": "soon"})
    checker.ask("POST", "/api/models/switch", 400, json={})
    checker.ask("POST", "/api/models/switch", 404, json={"model": "seedvr9.safetensors"})
    upload = {"file": ("a.png", png())}
    checker.ask("POST", "/api/process", 400, files=upload, data={"resolution": "12"})
    checker.ask("POST", "/api/process", 404, files=upload, data={"dit_model": "seedvr9.safetensors"})
    checker.ask("POST", "/api/gpu/offload", 413, data=b"x" * (2 << 20))
    checker.ask("GET", "/api/queue/status", 403, headers={"Host": "evil.example"})
    live.service.worker.stop(5)
    checker.ask("GET", "/health", 503)


def test_a_token_is_documented_where_one_is_needed(start: Start) -> None:
    running = start(DescribingExecutor(), SEEDVR2_SERVER_TOKEN="a-long-secret")
    bearer = {"Authorization": "Bearer a-long-secret"}
    document = running.get("/openapi.json", headers=bearer).json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    checker = Checker(running, document)
    checker.ask("GET", "/api/queue/status", 401)
    checker.ask("GET", "/api/queue/status", headers=bearer)
    checker.ask("GET", "/health")
    assert document["paths"]["/health"]["get"]["security"] == []


def test_the_other_name_gives_the_same_document(live: Running, document: dict[str, Any]) -> None:
    assert eventually(lambda: live.get("/apispec_1.json").json()) == document


def test_a_body_is_required_exactly_where_the_server_asks_for_it(running: Running) -> None:
    document = running.get("/openapi.json").json()
    task = running.submit()
    running.finished(task)
    asked = 0
    for path, operations in document["paths"].items():
        if "post" not in operations:
            continue
        required = operations["post"].get("requestBody", {}).get("required", False)
        for sent in ({}, {"headers": {"Content-Type": "application/json"}}):
            answer = running.post(path.replace("{task_id}", task), **sent)
            assert (answer.status_code == 400) == required, path
            asked += 1
        if not required:
            assert running.post(path.replace("{task_id}", task), json={}).status_code != 400, path
    assert asked >= 20
