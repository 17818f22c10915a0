"""What a call says and what it leaves out, and what is wrong with it, in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from daemon.api import for_mcp
from daemon.jobs.parameters import JOB_PARAMETERS
from tests.daemon.conftest import Start, picture
from tests.mcp.conftest import PATIENCE, ROOT, Host, Stub
from tests.mcp.seen import play


def test_what_is_left_out_is_left_to_the_configuration(start: Start, home: Path) -> None:
    running = start(SEEDVR2_DEFAULTS_RESOLUTION="128", SEEDVR2_DEFAULTS_COLOR_CORRECTION="wavelet")
    source = str(picture(home / "a.png"))

    async def scene() -> None:
        async with Client(Host(running.service.url, home).parameters(), read_timeout_seconds=PATIENCE) as client:

            async def params(**given: object) -> dict[str, object]:
                submitted = await client.call_tool("submit_image_task", {"file_path": source, **given})
                assert not submitted.is_error, submitted.content
                task = await client.call_tool("get_task_status", {"task_id": submitted.structured_content["task_id"]})
                return dict(task.structured_content["params"])

            left = await params()
            assert (left["resolution"], left["color_correction"], left["seed"]) == (128, "wavelet", 42)
            # What is given holds, also where it is what the document calls the default.
            assert (await params(resolution=1080))["resolution"] == 1080
            assert (await params(resolution=None))["resolution"] == 128
            # Some hosts send a whole number with a point, or as a text.
            assert (await params(resolution=64.0, seed="7"))["seed"] == 7
            said = await params(output_format="jpg", tf32=True, fit_width=640, strength=0.5, priority="high")
            assert (said["output_format"], said["tf32"], said["fit_width"]) == ("jpg", True, 640)
            assert (said["strength"], said["priority"]) == (0.5, "high")

    play(scene)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What is offered, by name; no service is asked for that."""
    host = Host("http://127.0.0.1:9", tmp_path_factory.mktemp("home"))
    return {tool["name"]: tool for tool in host.ask("tools/list")["result"]["tools"]}


def test_every_parameter_is_offered_as_the_service_takes_it(tools: dict[str, dict[str, Any]]) -> None:
    for name in ("submit_image_task", "submit_video_task"):
        schema = tools[name]["inputSchema"]
        assert schema["additionalProperties"] is False
        offered = schema["properties"]
        assert offered.keys() == {"file_path", "preset"} | {row.name for row in JOB_PARAMETERS}
        for row in JOB_PARAMETERS:
            shown = offered[row.name]
            assert [each for each in shown.get("enum", []) if each is not None] == list(row.choices)
            assert shown.get("maximum") == row.maximum
            assert shown.get("minimum") == (row.minimum if row.off is None else row.off)


def test_every_answer_is_described(tools: dict[str, dict[str, Any]]) -> None:
    without = {name for name, tool in tools.items() if not tool.get("outputSchema", {}).get("properties")}
    assert without == {"preview"}
    # Read by an assistant as it stands.
    assert not [name for name, tool in tools.items() if "\n " in tool["description"]]
    status = tools["wait_for_task"]["outputSchema"]["properties"]
    assert status["status"]["enum"] == ["queued", "processing", "completed", "failed", "cancelled"]
    assert status["frames_total"]["type"] == ["integer", "null"]


def test_the_file_of_the_api_is_of_now() -> None:
    """If not: `python -m daemon.api.for_mcp > mcp_tools/rest.json`."""
    assert json.loads((ROOT / "mcp_tools" / "rest.json").read_text()) == for_mcp.document()


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("submit_image_task", {"file_path": "/a.png", "outputformat": "jpg"},
     "submit_image_task has no parameter 'outputformat'. Did you mean 'output_format'?"),
    ("get_task_status", {"task_id": "a", "zzz": 1},
     "get_task_status has no parameter 'zzz'. It takes task_id."),
    ("get_queue_status", {"verbose": True}, "get_queue_status has no parameter 'verbose'. It takes none."),
    ("submit_video_task", {}, "submit_video_task needs file_path: Path of the file on the machine where this MCP "
     "server runs."),
    ("wait_for_task", {"task_id": "a", "timeout": "soon"}, "timeout takes a whole number from 0 up, not 'soon'."),
    ("wait_for_task", {"task_id": "a", "timeout": -1}, "timeout takes a whole number from 0 up, not '-1'."),
    ("get_queue_history", {"status": "lost"},
     "status takes one of completed, failed, cancelled, all, not 'lost'."),
    ("preview", {"strengths": "much"}, "strengths takes a list, or null, not 'much'."),
]  # fmt: skip


def test_what_is_wrong_with_a_call(stub: Stub, stubbed: Host) -> None:
    """In a sentence each, from one process."""
    calls = [("tools/call", {"name": tool, "arguments": given}) for tool, given, _ in WRONG]
    for (tool, _, sentence), answer in zip(WRONG, stubbed.ask_all(*calls), strict=True):
        assert answer["result"]["isError"], tool
        assert answer["result"]["content"][0]["text"] == sentence
    assert not stub.paths


def test_the_prompt_names_what_is_in_the_folder(stubbed: Host, home: Path) -> None:
    for name in ("a.png", "b.MP4", "notes.txt", ".hidden.png"):
        (home / name).write_bytes(b"")
    listed, answer, refused = stubbed.ask_all(
        ("prompts/list", {}),
        ("prompts/get", {"name": "restore_folder", "arguments": {"folder": str(home)}}),
        ("prompts/get", {"name": "restore_folder", "arguments": {"folder": "/etc"}}),
    )
    (shown,) = listed["result"]["prompts"]
    assert (shown["name"], shown["arguments"][0]["name"]) == ("restore_folder", "folder")
    (message,) = answer["result"]["messages"]
    text = message["content"]["text"]
    assert "- picture: a.png\n- video: b.MP4\n\n" in text
    assert "notes" not in text and "hidden" not in text
    assert "outside of what may be used here" in refused["error"]["message"]
