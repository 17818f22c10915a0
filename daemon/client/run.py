"""Runs one command against the REST API, and says by the exit status what came of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import anyio

from daemon.client.actions import ACTIONS
from daemon.client.output import Output
from daemon.client.where import find_address
from daemon.errors import ConfigError
from rest_client.api import Api, Problem

DONE, REFUSED, WRONG, NOBODY, UNKNOWN = 0, 1, 2, 3, 4
_BY_STATUS = {0: NOBODY, 400: WRONG, 404: UNKNOWN}


def run(arguments: argparse.Namespace, config_file: Path | None) -> int:
    """Run the command; answers the exit status, as `parser.EXIT_CODES` lists them."""
    output = Output(arguments.json)
    try:
        address = find_address(arguments.url, config_file, os.environ)
        return anyio.run(_ask, arguments, output, Api(address))
    except ConfigError as error:
        return _say(str(error), WRONG, output)
    except Problem as problem:
        return _say(str(problem), _BY_STATUS.get(problem.status, REFUSED), output)


async def _ask(arguments: argparse.Namespace, output: Output, api: Api) -> int:
    async with api:
        well = await ACTIONS[arguments.client](api, arguments, output)
        return DONE if well else REFUSED


def _say(sentence: str, status: int, output: Output) -> int:
    if output.as_json:
        print(json.dumps({"error": sentence}, ensure_ascii=False))
    else:
        print(f"seedvr2d: {sentence}", file=sys.stderr)
    return status
