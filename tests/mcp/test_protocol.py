"""What a host sees: the same tools, resources and progress in every protocol version and over both transports."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from PIL import Image

from daemon.jobs.parameters import JOB_PARAMETERS
from seedvr2.options import COLOR_CORRECTIONS
from seedvr2.preview.wish import Crop, Wish
from tests.daemon.conftest import Running, picture, png
from tests.mcp.conftest import PATIENCE, Host
from tests.mcp.seen import connected, http_server, play

# Parameters of the service beyond the document: left to it unless they are given.
OTHERS = dict.fromkeys((row.name for row in JOB_PARAMETERS), None)
OF_PICTURES = {"resolution": 1080, "dit_model": None, "color_correction": "lab", "seed": 42}
DOCUMENTED: dict[str, dict[str, Any]] = {
    "get_queue_status": {},
    "get_gpu_status": {},
    "list_available_models": {},
    "submit_image_task": {"file_path": ..., "preset": None, **OTHERS, **OF_PICTURES},
    "submit_video_task": {"file_path": ..., "preset": None, **OTHERS, **OF_PICTURES, "batch_size": 5},
    "get_task_status": {"task_id": ...},
    "get_task_position": {"task_id": ...},
    "wait_for_task": {"task_id": ..., "timeout": 600, "poll_interval": 5},
    "get_queue_history": {"limit": 20, "status": "completed"},
    "release_gpu_memory": {},
}
SHOWN = (
    "resolution", "scale", "long_edge", "max_resolution", "fit_width", "fit_height", "softness", "seed",
    "color_correction", "input_noise_scale", "latent_noise_scale", "deinterlace", "dit_model",
)  # fmt: skip
BEYOND = {
    "cancel_task": {"task_id": ...},
    "retry_task": {"task_id": ...},
    "download_result": {"task_id": ..., "path": ...},
    "switch_model": {"model": ..., "wait": False},
    "pull_model": {"model": ..., "machine": None, "wait": True, "timeout": 1800},
    "remove_model": {"model": ..., "force": False},
    "pause_queue": {"now": False},
    "resume_queue": {},
    "plan_task": {
        "file_path": "", "task_id": "", "width": None, "height": None, "frames": None, "preset": None,
        **{name: None for name in OTHERS if name != "priority"},
    },
    "list_machines": {},
    "list_presets": {},
    "preview": {
        "file_path": "", "task_id": "", "at": None, "crop": "auto", "strengths": None, "preset": None,
        **dict.fromkeys(SHOWN),
    },
}  # fmt: skip


def defaults(schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    return {name: ... if name in required else value["default"] for name, value in schema.get("properties", {}).items()}


async def look_around(client: Client, home: Path, running: Running) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {name: defaults(tool.input_schema) for name, tool in tools.items()} == DOCUMENTED | BEYOND
    queue = await client.call_tool("get_queue_status", {})
    assert queue.structured_content is None or queue.structured_content["queue_length"] == 0
    assert json.loads(queue.content[0].text)["queue_length"] == 0
    wrong = await client.call_tool("get_task_status", {"task_id": "nowhere"})
    assert wrong.is_error
    assert wrong.content[0].text == "There is no task 'nowhere'."
    await whole_round(client, home, running)


async def whole_round(client: Client, home: Path, running: Running) -> None:
    """Submit, wait with progress, read, download."""
    reports: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total))
        if len(reports) == 2:
            running.executor.gate.set()

    running.executor.gate.clear()
    source = picture(home / "in.png")
    submitted = json.loads((await client.call_tool("submit_image_task", {"file_path": str(source)})).content[0].text)
    ended = await client.call_tool(
        "wait_for_task", {"task_id": submitted["task_id"], "poll_interval": 0}, progress_callback=on_progress
    )
    status = json.loads(ended.content[0].text)
    assert status["status"] == "completed"
    assert [total for _, total in reports] == [100.0] * len(reports)
    assert len(reports) >= 3
    assert [progress for progress, _ in reports] == sorted({progress for progress, _ in reports})
    assert reports[-1][0] == 100
    _, picture_of_it, link = ended.content
    assert picture_of_it.mime_type == "image/webp"
    with Image.open(io.BytesIO(base64.b64decode(picture_of_it.data))) as small:
        assert small.format == "WEBP"
    assert (link.type, link.name, link.mime_type) == ("resource_link", status["output_filename"], "image/png")
    result = await client.read_resource(str(link.uri))
    assert base64.b64decode(result.contents[0].blob) == Path(status["output_path"]).read_bytes()
    task = await client.read_resource(f"seedvr2://task/{submitted['task_id']}")
    assert json.loads(task.contents[0].text)["output_filename"] == status["output_filename"]
    saved = await client.call_tool("download_result", {"task_id": submitted["task_id"], "path": str(home)})
    path = Path(json.loads(saved.content[0].text)["path"])
    assert path == home / status["output_filename"]
    assert path.read_bytes() == Path(status["output_path"]).read_bytes()
    path.unlink()


@pytest.mark.parametrize(
    "version",
    [
        # All of them by HTTP below; in a process of its own each, the first and the last.
        pytest.param(
            version,
            marks=[] if version in (KNOWN_PROTOCOL_VERSIONS[0], KNOWN_PROTOCOL_VERSIONS[-1]) else pytest.mark.long,
        )
        for version in KNOWN_PROTOCOL_VERSIONS
    ],
)
def test_stdio(version: str, live: Host, home: Path, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with connected(live.parameters(), version, monkeypatch) as client:
            await look_around(client, home, running)

    play(scene)


def test_http(live: Host, home: Path, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server(live) as url:
        for version in KNOWN_PROTOCOL_VERSIONS:

            async def scene(version: str = version) -> None:
                async with connected(url, version, monkeypatch) as client:
                    await look_around(client, home, running)

            play(scene)


def test_annotations_resources_and_the_other_tools(live: Host, home: Path, running: Running) -> None:
    async def scene() -> None:
        # As hosts do: the client asks which versions there are and takes the newest.
        async with Client(live.parameters(), read_timeout_seconds=PATIENCE) as client:
            assert client.protocol_version == KNOWN_PROTOCOL_VERSIONS[-1]
            await annotations(client)
            await resources(client)
            await other_tools(client, running)
            await previews(client, home, running)
            await plans(client, home, running)
            await presets(client, home, running)

    play(scene)


async def annotations(client: Client) -> None:
    assert client.instructions is not None
    assert "wait_for_task" in client.instructions
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    reading = {name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint}
    questions = {name for name in DOCUMENTED | BEYOND if name.startswith(("get_", "list_", "wait_"))}
    assert reading == questions | {"preview", "plan_task"}
    assert [name for name, tool in tools.items() if tool.annotations and tool.annotations.destructive_hint] == [
        "cancel_task",
        "remove_model",
    ]
    for tool in tools.values():
        assert tool.title and tool.description
        for name, field in tool.input_schema.get("properties", {}).items():
            assert field.get("description"), f"{tool.name}: {name} is not described"
    said = tools["submit_image_task"].input_schema["properties"]["color_correction"]
    assert said["enum"] == list(COLOR_CORRECTIONS)


async def resources(client: Client) -> None:
    (queue,) = (await client.list_resources()).resources
    assert (str(queue.uri), queue.mime_type) == ("seedvr2://queue", "application/json")
    templates = (await client.list_resource_templates()).resource_templates
    assert [each.uri_template for each in templates] == ["seedvr2://task/{id}", "seedvr2://result/{id}"]
    assert json.loads((await client.read_resource("seedvr2://queue")).contents[0].text)["pending_tasks"] == []
    with pytest.raises(MCPError, match="There is no task 'nowhere'") as caught:
        await client.read_resource("seedvr2://task/nowhere")
    assert caught.value.code == -32602


async def other_tools(client: Client, running: Running) -> None:
    async def call(tool: str, **arguments: Any) -> dict[str, Any]:
        result = await client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        assert result.structured_content is not None
        return dict(result.structured_content)

    assert await call("switch_model", model="nano.safetensors") == {
        "status": "loaded", "model": "nano.safetensors", "already_loaded": False,
    }  # fmt: skip
    assert (await call("get_gpu_status"))["current_model"] == "nano.safetensors"
    assert (await call("release_gpu_memory"))["status"] == "success"
    assert (await call("list_available_models"))["models"]
    running.executor.gate.clear()
    first, second = running.submit(content=png("red")), running.submit()
    assert (await call("get_task_position", task_id=second))["position"] == 2
    refused = await client.call_tool("switch_model", {"model": "nano.safetensors", "wait": False})
    assert not refused.is_error or "A task is running" in refused.content[0].text
    cancelled = await call("cancel_task", task_id=json.dumps({"task_id": second, "status": "queued"}))
    assert cancelled["status"] == "cancelled"
    assert (await call("pause_queue", now=False))["held_by"] == "request"
    assert (await call("get_queue_status"))["held_by"] == "request"
    assert (await call("resume_queue"))["status"] == "running"
    running.executor.gate.set()
    running.finished(first)
    assert [entry["id"] for entry in (await call("get_queue_history", limit=5))["history"]] == [first]
    ended = (await call("get_queue_history", status="all"))["history"]
    assert {entry["id"]: entry["status"] for entry in ended} == {first: "completed", second: "cancelled"}
    again = await call("retry_task", task_id=second)
    assert again["retry_of"] == second
    assert running.finished(again["task_id"])["status"] == "completed"


async def plans(client: Client, home: Path, running: Running) -> None:
    film = await client.call_tool("plan_task", {"width": 640, "height": 360, "frames": 48.0, "scale": 2})
    assert not film.is_error, film.content
    assert film.structured_content is not None
    assert (film.structured_content["output_width"], film.structured_content["fits"]) == (1280, True)
    source = picture(home / "planned.png", size=(40, 30))
    of_file = await client.call_tool("plan_task", {"file_path": str(source), "resolution": 60})
    assert of_file.structured_content is not None
    assert (of_file.structured_content["width"], of_file.structured_content["output_width"]) == (40, 80)
    for wrong in ({}, {"file_path": str(source), "width": 9, "height": 9}):
        refused = await client.call_tool("plan_task", wrong)
        assert refused.is_error and refused.content[0].text.startswith("Give either file_path, or task_id")


async def presets(client: Client, home: Path, running: Running) -> None:
    running.service.context.presets.save("film", {"resolution": 96, "seed": 7})
    listed = await client.call_tool("list_presets", {})
    film = {"name": "film", "parameters": {"resolution": 96, "seed": 7}, "saved": True}
    assert listed.structured_content == {"presets": [film]}
    source = {"file_path": str(picture(home / "named.png")), "preset": "film"}
    plan = (await client.call_tool("plan_task", source)).structured_content
    assert plan is not None and (plan["output_width"], plan["output_height"]) == (128, 96)
    assert not (await client.call_tool("preview", {**source, "seed": 8})).is_error
    _, options, *_ = running.executor.previews[-1]
    assert (options.resolution, options.seed) == (96, 8)
    for tool in ("submit_image_task", "submit_video_task", "plan_task", "preview"):
        refused = await client.call_tool(tool, {**source, "preset": "flim"})
        assert refused.content[0].text == "There is no preset 'flim'. Did you mean 'film'?"
    sent = await client.call_tool("submit_image_task", source)
    assert sent.structured_content is not None
    assert running.finished(sent.structured_content["task_id"])["params"]["resolution"] == 96


async def previews(client: Client, home: Path, running: Running) -> None:
    source = picture(home / "shown.png", "olive")
    given = {"file_path": str(source), "at": 2, "crop": "1,2,8,8", "strengths": [0.5], "scale": 2}
    shown = await client.call_tool("preview", given)
    assert not shown.is_error, shown.content
    text, image = shown.content
    assert [each["strength"] for each in json.loads(text.text)["images"]] == [0.0, 0.5]
    assert (image.type, image.mime_type) == ("image", "image/png")
    with Image.open(io.BytesIO(base64.b64decode(image.data))) as sheet:
        assert sheet.size == (300, 60)
    content, options, wish, _, _ = running.executor.previews[-1]
    assert content == source.read_bytes() and options.scale == 2
    assert wish == Wish(at=2.0, crop=Crop(1, 2, 8, 8), strengths=(0.5,))
    task = running.submit()
    of_task = await client.call_tool("preview", {"task_id": json.dumps({"task_id": task})})
    assert not of_task.is_error, of_task.content
    assert json.loads(of_task.content[0].text)["task_id"] == task
    for wrong in ({}, {"file_path": str(source), "task_id": task}):
        refused = await client.call_tool("preview", wrong)
        assert refused.is_error and "either the file_path" in refused.content[0].text
    unknown = await client.call_tool("preview", {"task_id": "nowhere"})
    assert unknown.is_error and unknown.content[0].text == "There is no task 'nowhere'."
