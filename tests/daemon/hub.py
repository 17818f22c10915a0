"""A hub of models from which a running service fetches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.daemon.conftest import Running
from tests.daemon.engine.test_pulls import MAIN, stock
from tests.seedvr2.catalogue.hub import Hub, running_hub


@contextmanager
def hub_of(running: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Small files under the names of the catalogue; what is still being fetched at the end is stopped."""
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setattr(running.service.context.pulls, "_main", MAIN)
        yield stock(server)
        running.service.context.pulls.stop()
