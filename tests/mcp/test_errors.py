"""The API is down, slow, unwilling or something else: each is a tool error with one sentence that helps."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from mcp.client.client import Client
from mcp.server.mcpserver.exceptions import ToolError

from mcp_tools.api import Api
from mcp_tools.settings import Settings, SettingsError
from tests.daemon.conftest import Start, picture, png
from tests.mcp.conftest import PATIENCE, Host, Stub, text_of
from tests.mcp.seen import play

IDS = {
    "../../health": "%2E%2E%2F%2E%2E%2Fhealth",
    "..": "%2E%2E",
    "a/b?c=d#e": "a%2Fb%3Fc%3Dd%23e",
    "12345678": "12345678",
    "1e234567": "1e234567",
    "%2e": "%252e",
    "ä 照": "%C3%A4%20%E7%85%A7",
}


def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_the_api_is_down(home: Path) -> None:
    url = unused_url()
    result = Host(url, home).call("get_queue_status")
    assert result["isError"]
    assert text_of(result) == (f"No SeedVR2 server answers at {url}. Start it with seedvr2d, or set SEEDVR2_API_URL.")


def test_answers_of_every_kind(stub: Stub, stubbed: Host) -> None:
    """One process, many answers."""
    stub.replies = {
        "/api/status/404": (404, {"error": "There is no task '404'."}),
        "/api/status/409": (409, {"error": "Task 409 is completed."}),
        "/api/status/413": (413, {"error": "The body is too large."}),
        "/api/status/500": (500, {"error": "The server failed unexpectedly; its log says more."}),
        "/api/status/html": (502, b"<html>Bad gateway</html>"),
        "/api/status/page": (200, b"<html>It works!</html>"),
        "/api/status/list": (200, [1, 2]),
        "/api/status/odd": (400, {"error": {"not": "a text"}}),
        "/api/status/401": (401, {"error": "Send the token of this server."}),
    }
    expected = {
        "404": "There is no task '404'.",
        "409": "Task 409 is completed.",
        "413": "The body is too large.",
        "500": "The server failed unexpectedly; its log says more.",
        "html": f"{stub.url} answers 502 Bad Gateway.",
        "page": f"{stub.url} does not answer as a SeedVR2 server does. Is SEEDVR2_API_URL right?",
        "list": f"{stub.url} does not answer as a SeedVR2 server does. Is SEEDVR2_API_URL right?",
        "odd": f"{stub.url} answers 400 Bad Request.",
        "401": "Send the token of this server. Set SEEDVR2_SERVER_TOKEN for the MCP server.",
        "": "Give the id of a task, as submit_image_task or submit_video_task answered it.",
        '{"id": ""}': "Give the id of a task, as submit_image_task or submit_video_task answered it.",
    }

    async def scene() -> None:
        async with Client(stubbed.parameters(), read_timeout_seconds=PATIENCE) as client:
            for task_id, sentence in expected.items():
                result = await client.call_tool("get_task_status", {"task_id": task_id})
                assert result.is_error
                assert result.content[0].text == sentence
            stub.paths.clear()
            for task_id in IDS:
                await client.call_tool("get_task_status", {"task_id": task_id})
            # No id may become another path, and none a number.
            assert stub.paths == [f"/api/status/{quoted}" for quoted in IDS.values()]

    play(scene)


def test_a_silent_api_is_given_up(stub: Stub, stubbed: Host) -> None:
    stub.delay_s = 30
    result = stubbed.with_environment(SEEDVR2_MCP_TIMEOUT="0.5").call("get_gpu_status")
    assert result["isError"]
    assert text_of(result) == f"The SeedVR2 server at {stub.url} does not answer. It may be very busy."


def test_the_service_refuses(start: Start, home: Path) -> None:
    """409, 404, 400 and 413 as the real service gives them."""
    running = start(SEEDVR2_SERVER_MAX_UPLOAD_MB="1")
    big = home / "big.png"
    with big.open("wb") as file:
        file.write(png())
        file.truncate(3 << 20)
    (home / "notes.png").write_text("no picture")
    picture(home / "good.png")
    running.executor.gate.clear()
    first = running.submit()
    assert running.executor.running.wait(10)

    async def scene() -> None:
        async with Client(Host(running.service.url, home).parameters(), read_timeout_seconds=PATIENCE) as client:

            async def refused(tool: str, **arguments: object) -> str:
                result = await client.call_tool(tool, arguments)
                assert result.is_error
                return str(result.content[0].text)

            too_large = await refused("submit_image_task", file_path=str(big))
            assert too_large == "The file is too large: this server takes up to 1 MiB."
            unknown = await refused("submit_image_task", file_path=str(home / "good.png"), dit_model="nothing.gguf")
            assert unknown == "There is no model nothing.gguf."
            value = await refused("submit_image_task", file_path=str(home / "good.png"), color_correction="sepia")
            assert value.startswith("color_correction takes one of lab, wavelet")
            assert "neither a picture nor a video" in await refused(
                "submit_video_task", file_path=str(home / "notes.png")
            )
            busy = await refused("switch_model", model="seedvr2_ema_3b_fp8_e4m3fn.safetensors")
            assert busy.startswith("A task is running; the model cannot be switched now.")
            early = await refused("download_result", task_id=first, path=str(home))
            assert early == f"Task {first} is processing; only a completed one has a result."
            running.executor.gate.set()
            running.finished(first)
            assert "only a waiting or running one" in await refused("cancel_task", task_id=first)

    play(scene)
    assert sorted(path.name for path in home.iterdir()) == ["big.png", "good.png", "notes.png"]


def test_a_token_is_sent_and_no_proxy_asked_for_this_machine(start: Start, home: Path) -> None:
    running = start(SEEDVR2_SERVER_TOKEN="a-long-secret")
    proxy = unused_url()
    host = Host(running.service.url, home).with_environment(
        SEEDVR2_SERVER_TOKEN="a-long-secret", HTTP_PROXY=proxy, http_proxy=proxy, ALL_PROXY=proxy
    )
    assert host.call("get_queue_status")["structuredContent"]["queue_length"] == 0


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SEEDVR2_API_URL", "localhost:8200", "SEEDVR2_API_URL takes an address such as http://localhost:8200"),
        ("SEEDVR2_MCP_TIMEOUT", "soon", "SEEDVR2_MCP_TIMEOUT takes a number of seconds"),
        ("SEEDVR2_MCP_FOLDERS", "Videos", "SEEDVR2_MCP_FOLDERS takes whole paths"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    import mcp_server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, value)
        assert mcp_server.main([]) == 2
    assert sentence in capsys.readouterr().err


def test_a_password_in_the_address_is_not_shown_to_the_assistant() -> None:
    shown = Settings.read({"SEEDVR2_API_URL": "http://me:s3cret@127.0.0.1:9/base"}).address.shown_url
    assert shown == "http://127.0.0.1:9/base"

    async def scene() -> None:
        async with Api(Settings.read({"SEEDVR2_API_URL": "http://me:s3cret@127.0.0.1:9"}).address) as api:
            with pytest.raises(ToolError, match=r"No SeedVR2 server answers at http://127\.0\.0\.1:9\."):
                await api.get("/health")

    play(scene)
    with pytest.raises(SettingsError) as caught:
        Settings.read({"SEEDVR2_API_URL": "me:s3cret@127.0.0.1"})
    assert "s3cret" not in str(caught.value)
