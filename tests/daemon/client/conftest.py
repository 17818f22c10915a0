"""The command line against a service that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.__main__ import main
from tests.daemon.conftest import Running


@dataclass
class Ended:
    """What a command came to: its exit status, its two outputs."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Ended]


@pytest.fixture
def command(running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `seedvr2d WORDS` for the running service."""
    monkeypatch.setenv("SEEDVR2D_URL", running.service.url)

    def run(*words: str | Path) -> Ended:
        capsys.readouterr()
        status = main([str(word) for word in words])
        return Ended(status, *capsys.readouterr())

    return run
