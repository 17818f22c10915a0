"""Has the daemon do the work of the `upscale` command, and finds out whether there is one."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import urllib.request
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio

from rest_client.address import DEFAULT_TIMEOUT_S, Address, checked_url, url_of
from rest_client.api import Api, Problem, segment
from rest_client.tasks import watched
from seedvr2.catalogue.remove import identity
from seedvr2.config_file import server_settings
from seedvr2.errors import DaemonGoneError, MediaError, ModelNotInstalledError, NotOursError, OptionError
from seedvr2.media.formats import usual_suffix
from seedvr2.options import OUTPUT_FORMATS

VARIABLE = "SEEDVR2D_URL"
_PROBE_S = 0.5


def daemon_address(environment: Mapping[str, str]) -> Address:
    """Where the daemon is: `SEEDVR2D_URL`, else this machine, as the environment or the configuration has it listen.

    The token of the configuration goes to the address of the configuration alone.

    Raises:
        OptionError: the address is none, or the configuration file cannot be read.
    """
    stated = environment.get(VARIABLE, "").strip()
    host, port, token = ("", "", "") if stated else server_settings(environment)
    host = environment.get("SEEDVR2_SERVER_HOST", "").strip() or host
    port = environment.get("SEEDVR2_SERVER_PORT") or environment.get("PORT") or port or "8200"
    try:
        url = checked_url(stated or url_of(host, port))
    except ValueError as error:
        raise OptionError("url", f"{VARIABLE} takes {error}.") from error
    return Address(url, environment.get("SEEDVR2_SERVER_TOKEN", "").strip() or token, DEFAULT_TIMEOUT_S)


def runs_here(address: Address) -> bool:
    """Whether a daemon answers on this machine; asked for half a second at most."""
    if not address.is_local and not _is_own(urlsplit(address.url).hostname or ""):
        return False
    # A proxy of the environment cannot reach this machine's own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address.url}/health", timeout=_PROBE_S) as answer:
            return "inbox_pending" in json.load(answer)
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return False


def _is_own(host: str) -> bool:
    """Whether this is an address of this machine, in digits."""
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # The system gives out places at its own addresses only.
            tried.bind((host, 0))
    except (ValueError, OSError):
        return False
    return True


def removed_by_daemon(address: Address, path: Path, *, force: bool) -> int | None:
    """Have the daemon delete the file of a model, where it is one of its own; answers its size in bytes.

    None: the daemon does not have this very file, so that it is nothing to it.

    Raises:
        DaemonGoneError: it does not answer. NotOursError: it refuses, because the file is in use, or somebody else's.
    """
    try:
        return anyio.run(_remove, address, path, force)
    except Problem as problem:
        if problem.status == 404:
            return None
        if problem.status == 0:
            raise DaemonGoneError(str(problem)) from problem
        raise NotOursError(f"The daemon at {address.shown_url} refuses: {problem}") from problem


async def _remove(address: Address, path: Path, force: bool) -> int:
    async with Api(address) as api:
        forced: dict[str, str | int] = {"force": 1} if force else {}
        answer = await api.delete(f"/api/models/{segment(path.name)}", file=identity(path), **forced)
    return int(answer["bytes"])


def preset_of(address: Address, name: str) -> dict[str, Any]:
    """The parameters of a preset of the daemon.

    Raises:
        DaemonGoneError: it does not answer. OptionError: it has no such preset, or refuses.
    """
    try:
        return dict(anyio.run(_preset, address, name)["parameters"])
    except Problem as problem:
        if problem.status == 0:
            raise DaemonGoneError(str(problem)) from problem
        raise OptionError("preset", str(problem)) from problem


async def _preset(address: Address, name: str) -> dict[str, Any]:
    async with Api(address) as api:
        return await api.get(f"/api/presets/{segment(name)}")


class DaemonUpscaler:
    """Upscales by sending sources to a daemon and fetching results; what is not asked for is as it is configured."""

    def __init__(self, address: Address, fields: Mapping[str, Any], *, quiet: bool) -> None:
        """`fields`: the parameters that were asked for, and the preset, by the names of the API."""
        self._address = address
        self._fields = {name: str(value).lower() if value in (True, False) else value for name, value in fields.items()}
        self._quiet = quiet

    def upscale(self, source: Path, target: Path) -> dict[str, Any]:
        """Upscale one file; answers what `GET /api/status` says of it. The daemon keeps its result as well.

        Raises:
            DaemonGoneError: it does not answer. ModelNotInstalledError: it has no such model.
            MediaError: it refuses the file or a value, or the task fails.
        """
        try:
            return anyio.run(self._upscale, source, target)
        except Problem as problem:
            if problem.status == 0:
                raise DaemonGoneError(str(problem)) from problem
            if problem.status == 404:
                raise ModelNotInstalledError(str(problem)) from problem
            raise MediaError(str(problem)) from problem

    async def _upscale(self, source: Path, target: Path) -> dict[str, Any]:
        fields = dict(self._fields)
        suffix = usual_suffix(target).removeprefix(".")
        # Where the engine writes the file itself, its name says the format.
        if "output_format" not in fields and suffix in OUTPUT_FORMATS:
            fields["output_format"] = suffix
        async with Api(self._address) as api:
            try:
                with source.open("rb") as file:
                    task = str((await api.upload(file, source.name, fields))["task_id"])
            except OSError as error:
                raise MediaError(f"{source.name} cannot be read: {error.strerror}.") from error
            status = await watched(api, task, source.name, shown=not self._quiet and sys.stderr.isatty())
            if status["status"] != "completed":
                raise MediaError(str(status.get("error") or f"The task {task} was {status['status']}."))
            await api.download(f"/api/download/{segment(task)}", lambda _name: target)
            return status
