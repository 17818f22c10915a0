from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.seedvr2.catalogue.hub import Hub, running_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that `HF_ENDPOINT` points to."""
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
