"""`pull`: models fetched by the daemon, waited for unless that is not wanted."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import anyio

from daemon.client.output import Output
from rest_client.api import HERE, Api, Problem
from rest_client.tasks import ASKED_EVERY_S

_GOES_ON = ("waiting", "fetching", "verifying")


async def pull(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Have each model fetched; answers whether all are there, or on their way with `--detach`."""
    well = True
    for model in arguments.models:
        wanted = {"model": model} | ({"machine": arguments.machine} if arguments.machine else {})
        answer = await api.post("/api/models/pull", wanted, patient=True)
        name = str(answer["model"])
        if answer["status"] == "installed" or arguments.detach:
            output.answer(answer, f"{name}  {answer['status']}")
            continue
        machine = answer["pull"].get("machine")
        ended = await _ended(api, name, machine, shown=sys.stderr.isatty() and not output.as_json)
        why = f": {ended['error']}" if ended.get("error") else ""
        output.answer(ended, f"{name}  {ended['state']}{why}")
        well = well and ended["state"] == "done"
    return well


async def _ended(api: Api, name: str, machine: str | None, *, shown: bool) -> dict[str, Any]:
    """The download once it has ended. While it is `shown`, a line on standard error says how far it is."""
    while True:
        listed = (await api.get("/api/models/pull"))["pulls"]
        mine = (each for each in listed if (each["model"], each.get("machine")) == (name, machine))
        found: dict[str, Any] | None = next(mine, None)
        if found is None:
            again = f"seedvr2d pull {name}{f' --machine {machine}' if machine else ''}"
            raise Problem(f"The daemon no longer knows of a download of {name}; {again} asks again.", HERE)
        if found["state"] not in _GOES_ON:
            break
        if shown:
            line = f"{name}  {found['state']}, {found.get('percent') or 0} %"
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        await anyio.sleep(ASKED_EVERY_S)
    if shown:
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
    return found
