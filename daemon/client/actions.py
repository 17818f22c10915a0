"""What each command asks of the API, and prints. Each answers whether all went well, and raises Problem."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from daemon.client.following import logs, wait_for
from daemon.client.output import Output, state
from daemon.client.planning import plan
from daemon.client.pulling import pull
from daemon.client.submitting import submit
from rest_client.api import Api, segment

Action: TypeAlias = Callable[[Api, argparse.Namespace, Output], Awaitable[bool]]
# The list of what waits names no files; each is a question of its own.
SHOWN = 50


async def ps(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """What runs and waits, and with `--all` what has ended."""
    queue = await api.get("/api/queue/status")
    ended = (await api.get("/api/queue/history", status="all", limit=SHOWN))["history"] if arguments.all else []
    if output.as_json:
        output.answer(queue | {"history": ended} if arguments.all else queue)
        return True
    running = [queue["processing"]["task_id"]] if queue["processing"] else []
    waiting = [task["task_id"] for task in queue["pending_tasks"]]
    tasks = [await api.get(f"/api/status/{segment(each)}") for each in (running + waiting)[:SHOWN]]
    output.table(tasks + ended, more=max(len(running) + len(waiting) - SHOWN, 0))
    return True


async def status(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """A task, or the daemon itself."""
    if arguments.task:
        if arguments.wait:
            return await wait_for(api, arguments.task, output)
        task = await api.get(f"/api/status/{segment(arguments.task)}")
        warnings = [f"  {warning}" for warning in task.get("warnings", ())]
        output.answer(task, f"{task['id']}  {task['original_filename']}  {state(task)}", *warnings)
        return True
    health, queue, gpu = [await api.get(path) for path in ("/health", "/api/queue/status", "/api/gpu/status")]
    output.answer({"health": health, "queue": queue, "gpu": gpu}, *_described(health, queue, gpu))
    return True


def _described(health: dict[str, Any], queue: dict[str, Any], gpu: dict[str, Any]) -> list[str]:
    where = gpu["gpu_name"] or gpu["device"]
    return [
        f"{health['status']}, version {health['version']}, {health['worker']}",
        f"{queue['in_system'] - queue['queue_length']} running, {queue['queue_length']} waiting"
        + (f"; paused: {queue['paused']}" if queue.get("paused") else ""),
        f"{gpu['current_model'] or 'no model'} in memory, on {where}",
        *(f"problem: {problem}" for problem in health["problems"]),
    ]


async def presets(api: Api, _arguments: argparse.Namespace, output: Output) -> bool:
    """Each with what it says, and where it can be changed."""
    listed = await api.get("/api/presets")
    lines = [_preset(each) for each in listed["presets"]]
    output.answer(
        listed, *(lines or ["There is no preset yet; the page saves them, and config.toml has [presets.NAME]."])
    )
    return True


def _preset(preset: dict[str, Any]) -> str:
    values = {
        name: str(value).lower() if value in (True, False) else value for name, value in preset["parameters"].items()
    }
    said = " ".join(f"{name}={value}" for name, value in values.items())
    return f"{preset['name']}  {said}{'' if preset['saved'] else '  (of the configuration)'}"


async def cancel(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Cancel each task."""
    for task in arguments.tasks:
        answer = await api.post(f"/api/tasks/{segment(task)}/cancel")
        output.answer(answer, f"{answer['task_id']}  {answer['status']}")
    return True


async def retry(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Run each task again."""
    for task in arguments.tasks:
        answer = await api.post(f"/api/tasks/{segment(task)}/retry")
        output.answer(answer, f"{answer['task_id']}  {answer['status']}, again for {answer['retry_of']}")
    return True


async def unload(api: Api, _arguments: argparse.Namespace, output: Output) -> bool:
    """Give the model's memory back."""
    answer = await api.post("/api/gpu/offload")
    later = "The model leaves memory after the task that runs."
    output.answer(answer, later if answer.get("deferred") else "The model is out of memory.")
    return True


async def pause(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Begin no further task."""
    answer = await api.post("/api/queue/pause", {"now": arguments.now})
    runs = "what runs stops" if arguments.now else "a video stops after its present segment"
    output.answer(answer, f"Paused until `seedvr2d resume`: no task is begun, and {runs}.")
    return True


async def resume(api: Api, _arguments: argparse.Namespace, output: Output) -> bool:
    """Go on, unless something else holds the queue."""
    answer = await api.post("/api/queue/resume")
    until = f", until {answer['held_until']}" if answer["held_until"] else ""
    held = f"Still {answer['status']}: {answer['reason']}{until}."
    output.answer(answer, "The queue goes on." if answer["status"] == "running" else held)
    return True


async def cluster(api: Api, _arguments: argparse.Namespace, output: Output) -> bool:
    """What each place of the cluster does, and what is wrong."""
    seen = await api.get("/api/cluster")
    lines = [
        f"{place['id']}  {place['kind'] or '?'}  {place['state']}"
        + (f"  {place['task_id']}" if place["task_id"] else "")
        + ("" if place["shared"] else "  files are sent there and back")
        + (f"  {place['why']}" if place["why"] else "")
        for place in seen["places"]
    ]
    problems = [f"problem: {problem}" for problem in seen["problems"]]
    output.answer(seen, f"mode {seen['mode']}, {len(seen['places'])} places", *lines, *problems)
    return True


ACTIONS: dict[str, Action] = {
    "cluster": cluster,
    "ps": ps,
    "submit": submit,
    "plan": plan,
    "presets": presets,
    "status": status,
    "cancel": cancel,
    "retry": retry,
    "pull": pull,
    "logs": logs,
    "unload": unload,
    "pause": pause,
    "resume": resume,
}
