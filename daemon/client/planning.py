"""`plan`: what files would take, as the daemon would do them."""

from __future__ import annotations

import argparse
from typing import Any

from daemon.client.output import Output
from daemon.client.submitting import fields_of, open_files
from rest_client.api import Api
from seedvr2.units import gigabytes


async def plan(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Send each file, which is not kept; answers whether all of them fit, or may."""
    plans = []
    for path, file in open_files(arguments.files):
        found = await api.upload(file, path.name, fields_of(arguments), "/api/plan")
        output.answer(found, *_described(path.name, found))
        plans.append(found)
    return all(each["fits"] is not False for each in plans)


def _described(name: str, plan: dict[str, Any]) -> list[str]:
    frames = f", {plan['frames']} frames" if plan["frames"] > 1 else ""
    lines = [
        f"{name}  {plan['width']}x{plan['height']} to {plan['output_width']}x{plan['output_height']}{frames}",
        f"  model   {plan['model'] or 'none'}",
        f"  time    {_time(plan)}",
    ]
    if plan["memory_bytes"] is not None:
        lines.append(f"  memory  {gigabytes(plan['memory_bytes'])} of {gigabytes(plan['memory_free_bytes'])}")
    free = f" of {gigabytes(plan['disk_free_bytes'])}" if plan["disk_free_bytes"] is not None else ""
    lines.append(f"  disk    about {gigabytes(plan['disk_bytes'])}{free}")
    verdict = {True: "it fits", False: "IT DOES NOT FIT", None: "it may not fit"}[plan["fits"]]
    return [*lines, f"  {verdict}{': ' + plan['why'] if plan['why'] else ''}"]


def _time(plan: dict[str, Any]) -> str:
    if plan["seconds"] is None:
        return "not known before the model has run here"
    whole = round(plan["seconds"])
    minutes = -(-whole // 60)
    text = f"{whole} s" if whole < 60 else f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
    return f"about {text}" if plan["measured"] else f"very roughly {text}, as the model never ran here"
