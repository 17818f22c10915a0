"""The one-shot commands of the API document, word for word: each prints exactly one line of JSON-RPC."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.daemon.conftest import Running, picture
from tests.mcp.conftest import PATIENCE, ROOT, Host, Stub, text_of
from tests.mcp.test_protocol import BEYOND, DOCUMENTED

HERE = Path(__file__).parent
DOCUMENT = (HERE / "seed_commands.sh").read_text()
ECHO_LINES = [line for line in DOCUMENT.splitlines() if line.startswith("echo ")]
# The document runs this one in its container.
HERE_DOCUMENT = DOCUMENT[DOCUMENT.index("docker exec") :].replace(
    "docker exec -i seedvr2 python /app/mcp_server.py", "python mcp_server.py"
)
COMMANDS = [*ECHO_LINES, HERE_DOCUMENT]
LONG_RUNS = 50


def run(command: str, host: Host) -> dict[str, Any]:
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT, env=host.environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    answer = json.loads(line)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)
    return dict(answer["result"])


def check(command: str, host: Host) -> None:
    result = run(command, host)
    if "tools/list" in command:
        assert {tool["name"] for tool in result["tools"]} == set(DOCUMENTED | BEYOND)
    elif "get_queue_status" in command:
        assert result["structuredContent"]["queue_length"] == 0
    else:
        assert result["structuredContent"]["processing"] is False


def test_the_document_has_the_three_commands() -> None:
    assert len(ECHO_LINES) == 2
    assert HERE_DOCUMENT.startswith("python mcp_server.py << 'EOF'\n{")


@pytest.mark.parametrize("command", COMMANDS, ids=("list", "call", "here-document"))
def test_shell_commands(command: str, live: Host) -> None:
    check(command, live)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS, ids=("list", "call", "here-document"))
def test_shell_commands_fifty_times(command: str, live: Host) -> None:
    for _ in range(LONG_RUNS):
        check(command, live)


@pytest.fixture
def client(live: Host, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client of the document, in a process with the environment that a user would have."""
    for name, value in live.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    module = ModuleType("seed_mcp_client")
    exec(compile((HERE / "seed_client.txt").read_text(), "seed_mcp_client", "exec"), module.__dict__)
    return module.SeedVR2MCPClient()


def test_the_client_of_the_document_upscales(client: Any, home: Path) -> None:
    picture(home / "video.mp4")
    result = client.submit_video(str(home / "video.mp4"), resolution=64)["result"]
    # Its usage example passes the text of the answer on as the task id.
    final = client.wait_for_task(result["content"][0]["text"])["result"]["structuredContent"]
    assert final["status"] == "completed"
    assert final["source"] == "mcp"
    assert final["params"]["resolution"] == 64


@pytest.mark.long
def test_every_call_of_the_client_of_the_document(client: Any, home: Path, running: Running) -> None:
    picture(home / "photo.png")
    assert client.get_queue_status()["result"]["structuredContent"]["in_system"] == 0
    assert client.get_gpu_status()["result"]["structuredContent"]["model_loaded"] is False
    assert client.list_models()["result"]["structuredContent"]["models"]
    image = client.submit_image(str(home / "photo.png"), seed=7)["result"]["structuredContent"]
    assert running.finished(image["task_id"])["params"]["seed"] == 7


@pytest.mark.long
def test_the_client_of_the_document_fifty_times(client: Any) -> None:
    for _ in range(LONG_RUNS):
        assert client.get_queue_status()["result"]["structuredContent"]["queue_length"] == 0


@pytest.mark.long
def test_the_answer_of_a_ten_second_tool_is_waited_for(stub: Stub, stubbed: Host) -> None:
    stub.replies["/api/gpu/status"] = (200, {"slow": True})
    stub.delay_s = 10.0
    assert stubbed.call("get_gpu_status")["structuredContent"] == {"slow": True}


def request(number: int, method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n"


def hello(version: str = "2025-06-18") -> str:
    info = {"name": "test", "version": "1"}
    return request(0, "initialize", protocolVersion=version, capabilities={}, clientInfo=info) + (
        '{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
    )


def test_several_slow_calls_at_once_are_all_answered(stub: Stub, stubbed: Host) -> None:
    stub.replies["/api/gpu/status"] = (200, {"slow": True})
    stub.delay_s = 0.5
    calls = "".join(request(number, "tools/call", name="get_gpu_status") for number in range(1, 6))
    answers, _ = stubbed.pipe(calls)
    assert sorted(answer["id"] for answer in answers) == [1, 2, 3, 4, 5]
    assert all(not answer["result"].get("isError") for answer in answers)


def test_a_handshake_is_answered_once_and_its_call_too(stub: Stub, stubbed: Host) -> None:
    stub.replies["/api/gpu/status"] = (200, {"slow": True})
    stub.delay_s = 0.5
    answers, _ = stubbed.pipe(hello() + request(1, "tools/call", name="get_gpu_status"))
    assert [answer["id"] for answer in answers] == [0, 1]
    assert answers[0]["result"]["protocolVersion"] == "2025-06-18"


def test_a_host_that_closes_the_pipe_gets_rid_of_the_server(stub: Stub, stubbed: Host) -> None:
    stub.replies["/api/gpu/status"] = (200, {})
    stub.delay_s = 60
    answers, _ = stubbed.pipe(hello() + request(1, "tools/call", name="get_gpu_status"))
    assert [answer["id"] for answer in answers if "result" in answer] == [0]


def test_a_cancelled_request_is_not_waited_for(stub: Stub, stubbed: Host) -> None:
    stub.replies["/api/status/a"] = (200, {"status": "queued", "progress": 0})
    cancel = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n'
    answers, _ = stubbed.pipe(request(1, "tools/call", name="wait_for_task", arguments={"task_id": "a"}) + cancel)
    assert answers == []


def test_what_is_no_message_is_answered_and_the_rest_goes_on(stubbed: Host) -> None:
    bad = ("this is no JSON", '{"jsonrpc":"2.0","id":1,', "[]", '{"hello":"world"}', "")
    lines = [f"{line}\n" for line in bad]
    lines += [request(1, "ping"), request(2, "no/such/method"), request(3, "tools/call", name="no_such_tool")]
    answers, _ = stubbed.pipe("".join(lines))
    refused = [answer["error"]["code"] for answer in answers if answer["id"] is None]
    assert refused == [-32700, -32700, -32600, -32600]
    by_id = {answer["id"]: answer for answer in answers if answer["id"] is not None}
    assert by_id[1]["result"] == {}
    assert by_id[2]["error"]["code"] == -32601
    assert by_id[3]["result"]["isError"]
    assert "no_such_tool" in text_of(by_id[3]["result"])
