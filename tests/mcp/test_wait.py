"""`wait_for_task`: progress that grows, time-outs, a service that restarts, and hosts that change their mind."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp.client.client import Client

from mcp_tools.waiting import Steps
from rest_client.tasks import describe
from tests.mcp.conftest import PATIENCE, Host, Reply, Stub
from tests.mcp.seen import play

QUEUED = {"id": "a", "status": "queued", "progress": 0, "queue_position": 2}


def test_each_report_is_more_than_the_one_before() -> None:
    steps = Steps()
    shown = [steps.next(percent) for percent in [0] * 1000 + [7, 7, 3, 99] + [100] * 100]
    assert shown == sorted(set(shown))
    assert shown[0] == 0
    assert shown[-1] < 100
    assert shown[999] < 1
    assert shown[1000] == 7


def test_what_a_task_does_in_words() -> None:
    assert describe(QUEUED) == "queued, number 2 in the queue"
    running = {"status": "processing", "stage": "restoring", "progress": 40, "frames_done": 12, "frames_total": 30}
    assert describe(running | {"eta_s": 20.4}) == "restoring, 40 %, 12 of 30 frames, 20 s left"
    assert describe({"status": "processing", "stage": None, "progress": 0}) == "starting, 0 %"


def test_how_a_wait_ends(stub: Stub, stubbed: Host) -> None:
    stopping = (503, {"error": "The service is stopping."})
    failed = {"id": "a", "status": "failed", "error": "The file is damaged."}
    restarting: list[Reply] = [(200, QUEUED), stopping, stopping, (200, QUEUED), (200, failed)]
    stub.replies = {"/api/status/late": (200, QUEUED), "/api/status/away": stopping}
    stub.reply = lambda path: (
        restarting.pop(0) if path.endswith("a") else stub.replies.get(path, (404, {"error": "no"}))
    )

    async def scene() -> None:
        async with Client(stubbed.parameters(), read_timeout_seconds=PATIENCE) as client:

            async def wait(task_id: str, **more: int) -> tuple[bool, Any]:
                result = await client.call_tool("wait_for_task", {"task_id": task_id, "poll_interval": 0, **more})
                return result.is_error, result.structured_content or result.content[0].text

            # A restart of the service is sat out; that a task failed is an answer, not an error.
            assert await wait("a") == (False, failed)
            assert await wait("late", timeout=1) == (
                True,
                "Task late has not ended after 1 s (queued, number 2 in the queue). "
                "It goes on; call wait_for_task again to keep waiting.",
            )
            assert await wait("away") == (True, "The service is stopping.")
            assert await wait("gone") == (True, "no")

    play(scene)
    assert stub.paths.count("/api/status/away") == 3
    assert stub.paths.count("/api/status/gone") == 1


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_cancelled_wait_asks_no_more_and_the_server_goes_on(mode: str, stub: Stub, stubbed: Host) -> None:
    stub.replies = {"/api/status/a": (200, QUEUED), "/api/queue/status": (200, {"queue_length": 1})}

    async def scene() -> None:
        async with Client(stubbed.parameters(), mode=mode, read_timeout_seconds=PATIENCE) as client:
            heard = anyio.Event()

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                assert message == "queued, number 2 in the queue"
                heard.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(
                    lambda: client.call_tool(
                        "wait_for_task", {"task_id": "a", "poll_interval": 0}, progress_callback=on_progress
                    )
                )
                await heard.wait()
                # The client tells the server that it does not wait any more.
                tasks.cancel_scope.cancel()
            # Answered in order after the cancellation: from here on nobody asks for the task.
            assert (await client.call_tool("get_queue_status", {})).structured_content == {"queue_length": 1}
            await anyio.sleep(0.3)
            asked = len(stub.paths)
            await anyio.sleep(1)
            assert len(stub.paths) == asked

    play(scene)
