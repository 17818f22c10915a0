"""A daemon on folders of its own, for what is shown or measured with a whole service; needs nothing but Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOG = "daemon.log"
_START_S = 120
_END_S = 60


class NotStartedError(Exception):
    """The daemon ended, or said nothing; what is in its log."""


@contextmanager
def daemon(folder: Path, resolution: int, models: Path | None = None) -> Iterator[str]:
    """A daemon of its own on `folder`, with its models or those of another folder; gives its address and ends it.

    Raises:
        NotStartedError: it does not listen.
    """
    for name in ("inbox", "outputs", "state", "models"):
        (folder / name).mkdir(exist_ok=True)
    config, log = folder / "config.toml", folder / LOG
    paths = "" if models is None else f"[paths]\nmodels = {json.dumps(str(models.absolute()))}\n"
    config.write_text(f"{paths}[server]\nport = 0\n[inbox]\nsettle_s = 1.0\n[defaults]\nresolution = {resolution}\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SEEDVR2_") and key != "PORT"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "--config", str(config)], stderr=stream, env=environment
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(_END_S)


def get(url: str) -> dict[str, Any]:
    """The JSON that is there."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        data: dict[str, Any] = json.load(answer)
        return data


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the daemon says that it listens."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if found := re.search(r"http://[\w.:\[\]-]+:\d+", log.read_text(errors="replace")):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise NotStartedError(f"The daemon did not start:\n{log.read_text(errors='replace')}")
